"""One process at a time: a lock that the system takes back when its holder dies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocellus.errors import OcellusError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file while a block runs.

    Args:
        path: the file; it is made where it is not there, and is not changed.

    Raises:
        OcellusError: another process holds the lock, or the file cannot be opened.
    """
    place = path.with_name(path.name + ".lock")
    try:
        file = place.open("ab")
    except OSError as error:
        raise OcellusError(
            f"{place} cannot be opened ({error.strerror}); check the folder's rights"
        ) from error
    with file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another process is writing to {path.parent}"
            raise OcellusError(f"{message}: wait until it has ended") from None
        yield
