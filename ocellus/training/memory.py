"""What the C library does with memory that a training step has freed."""

from __future__ import annotations

import ctypes
import platform

# mallopt(3) of the GNU C library
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for the next step, rather than hand it back to the system.

    The GNU C library maps every tensor above 32 MB at most anew and returns it when it is freed. Each step
    then touches fresh pages, which the system has to clear first: on a CPU up to a third of a step's time.
    What is kept is about what one step needs at its peak; one process that was measured grew by a seventh.

    Returns:
        Whether it was done; other systems have another allocator, which is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    values = {MMAP_MAX: 0, TRIM_THRESHOLD: LARGEST, TOP_PAD: 64 * 2**20}
    return [mallopt(name, value) for name, value in values.items()] == [1] * len(values)
