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
