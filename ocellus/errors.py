"""The one error that a user sees as a line: what was given, what is wanted, how to get there."""


class OcellusError(Exception):
    """Something the user can mend. The command line prints the message as one line and exits.

    Args:
        message: what was given, what is wanted and how to get there; names the file where there is one.
        exit_code: 1 where the data or a model is at fault, 2 where the command was used wrongly.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def require(satisfied: bool, settings: object, field: str, wanted: str) -> None:
    """See that a setting can be.

    Args:
        satisfied: whether it can.
        settings: that it is a field of.
        field: its name.
        wanted: what it must be, in words.

    Raises:
        OcellusError: it cannot. Exit code 2.
    """
    if not satisfied:
        raise OcellusError(f"{field} is {getattr(settings, field)!r}; it must be {wanted}", exit_code=2)
