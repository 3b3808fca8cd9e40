"""From signed values of each color, or of each place, to the one that is shown."""

from __future__ import annotations

from torch import Tensor

from ocellus.errors import OcellusError


def joined(channels: Tensor, colors: str) -> Tensor:
    """(B, C, h, w) signed values of each color -> (B, h, w).

    Args:
        channels: what each color has.
        colors: "max", the largest magnitude, or "sum", with its sign.

    Raises:
        OcellusError: another way. Exit code 2.
    """
    if colors == "max":
        return channels.abs().amax(dim=1)
    if colors == "sum":
        return channels.sum(dim=1)
    raise OcellusError(f"colors is {colors!r}; it is max or sum", exit_code=2)


def chosen_part(maps: Tensor, part: str) -> Tensor:
    """The part of signed maps, of any shape (...), that is shown.

    Args:
        maps: positive for an answer, negative against it.
        part: "positive", "negative" (its magnitude) or "both".

    Raises:
        OcellusError: another part. Exit code 2.
    """
    if part == "positive":
        return maps.clamp(min=0)
    if part == "negative":
        return (-maps).clamp(min=0)
    if part == "both":
        return maps
    raise OcellusError(f"part is {part!r}; it is positive, negative or both", exit_code=2)
