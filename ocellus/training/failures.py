"""What torch says when a machine is too small or an operation cannot do as asked, in a line with the cure."""

from __future__ import annotations

import re

import torch

from ocellus.errors import OcellusError

CURE = "lower --batch-size (--accumulate makes up for it) or the pictures' size"


def understood(error: BaseException) -> OcellusError | None:
    """The line for an error that a user can do something about, or None."""
    text = str(error)
    if found := re.search(r"(\S+) does not have a deterministic implementation", text):
        return OcellusError(
            f"{found[1]} has no deterministic algorithm here: take --no-deterministic, or --device cpu",
            exit_code=2,
        )
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in text:
        return OcellusError(f"the memory of the device is not enough: {CURE}")
    if ("DataLoader worker" in text and "killed by signal" in text) or "exited unexpectedly" in text:
        return OcellusError(
            "a process that reads pictures was ended by the system, most likely for want of memory: take "
            "fewer --workers, or smaller pictures"
        )
    return None
