"""Which places of its input each place of a layer's output looks at, along one axis.

A *tap table* is (n, K) int64: row i names the input places that output place i is made of; places outside the
input, in the padding, are allowed and are not counted. Each function gives the table of one kind of layer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Taps = NDArray[np.int64]

NONE = 1 << 40
"""The first place of what looks at nothing, as a row made of padding alone does."""

ANTIALIASED = {"bilinear": 1.0, "bicubic": 2.0}
"""Input places to each side that a resize looks at; times the shrinking where it smooths."""


class Axis(NamedTuple):
    """The first and last row (or column) of the picture that each place along an axis looks at."""

    dim: int  # of the tensor
    first: Taps  # (n,); NONE where it looks at nothing
    last: Taps  # (n,); -1 where it looks at nothing


def first_reach(dim: int, length: int) -> Axis:
    """The picture itself: each place looks at itself."""
    places = np.arange(length, dtype=np.int64)
    return Axis(dim, places, places.copy())


def gathered(axis: Axis, taps: Taps) -> Axis:
    """The axis of an output whose places are made of those in the (n, K) table."""
    there = (taps >= 0) & (taps < len(axis.first))
    safe = np.where(there, taps, 0)
    first = np.where(there, axis.first[safe], NONE).min(axis=1, initial=NONE)
    last = np.where(there, axis.last[safe], -1).max(axis=1, initial=-1)
    return Axis(axis.dim, first, last)


def union(axes: list[Axis]) -> Axis:
    """What looks at all that several of one length look at."""
    first = np.min([axis.first for axis in axes], axis=0)
    last = np.max([axis.last for axis in axes], axis=0)
    return Axis(axes[0].dim, first, last)


def window_taps(count: int, *, kernel: int, stride: int, padding: int, dilation: int = 1) -> Taps:
    """A convolution's or a pooling's table, of `count` output places: i s - p + k d."""
    places = np.arange(count)[:, None] * stride - padding
    return np.asarray(places + np.arange(kernel)[None] * dilation, dtype=np.int64)


def transposed_taps(count: int, *, kernel: int, stride: int, padding: int, dilation: int = 1) -> Taps:
    """A transposed convolution's table: those i with i s - p + k d equal to the place."""
    reach = np.arange(count)[:, None] + padding - np.arange(kernel)[None] * dilation
    return np.where(reach % stride == 0, reach // stride, -1).astype(np.int64)


def adaptive_taps(length: int, count: int) -> Taps:
    """An adaptive pooling's table, from floor(i n / m) to ceil((i + 1) n / m)."""
    first = np.arange(count) * length // count
    last = -(-(np.arange(count) + 1) * length // count)
    width = int((last - first).max(initial=1))
    places = first[:, None] + np.arange(width)[None]
    return np.where(places < last[:, None], places, -1).astype(np.int64)


def resize_taps(
    length: int, count: int, *, mode: str, scale: float | None, aligned: bool, smoothed: bool
) -> Taps | None:
    """The table of `F.interpolate`; None for a mode that is not known.

    Args:
        length: of the input.
        count: of the output.
        mode: "nearest", "nearest-exact", "bilinear", "bicubic" or "area".
        scale: the factor where one was given and is used as it is.
        aligned: corners of both lie on each other.
        smoothed: "antialias".
    """
    ratio = 1 / scale if scale else length / count
    places = np.arange(count)
    if mode == "area":
        return adaptive_taps(length, count)
    if mode in ("nearest", "nearest-exact"):
        at = np.floor((places + (0.5 if mode == "nearest-exact" else 0.0)) * ratio)
        return np.asarray(np.minimum(at, length - 1)[:, None], dtype=np.int64)
    if mode not in ANTIALIASED:
        return None
    if aligned:
        at = places * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        at = (places + 0.5) * ratio - 0.5
    if mode == "bilinear":
        at = at.clip(0, length - 1)
    reach = ANTIALIASED[mode] * (max(ratio, 1.0) if smoothed else 1.0)
    around = np.floor(at)[:, None] + np.arange(-int(reach) - 1, int(reach) + 3)[None]
    counted = np.abs(around - at[:, None]) < reach - 1e-9
    # Bicubic repeats the border, so that what lies outside is a look at the border's pixel.
    return np.where(counted, around.clip(0, length - 1), -1).astype(np.int64)


def pad_taps(length: int, before: int, after: int, mode: str) -> Taps:
    """A padding's table; a negative padding cuts off."""
    inner = np.arange(max(0, -before), length - max(0, -after))
    kinds = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    amounts = (max(0, before), max(0, after))
    if mode in kinds:
        places = np.pad(inner, amounts, mode=kinds[mode])  # type: ignore[call-overload]
    else:
        places = np.pad(inner, amounts, constant_values=-1)
    return np.asarray(places, dtype=np.int64)[:, None]
