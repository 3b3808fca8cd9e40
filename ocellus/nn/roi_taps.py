"""Which feature cells make up which bins of RoIAlign, and with which weights.

Bilinear interpolation and the mean over a bin's samples are linear, and separate over the axes. So a bin is a
few rows of the map and a few columns (its taps) with a weight each, and the products of the two are its bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

WHOLE = 1 << 22
"""Most entries of a gather made at once, where its result is the answer: 32 MB of indices and weights."""
PORTION = 1 << 16
"""About as many where the result is copied to its place: with 256 channels it is still in the cache then."""


class Bags(NamedTuple):
    """Which rows of one level's table make up which output rows."""

    level: int
    rows: Tensor
    """(E,) int32 rows of the table, bag after bag."""
    weights: Tensor
    """(E,) float."""
    offsets: Tensor
    """(n+1,) int32, where each bag starts in them."""
    boxes: Tensor | None
    """(n / (h * w),) int64, the boxes they belong to; None: all, in order."""


class Settings(NamedTuple):
    """What `roi_align` was asked for, and the shapes of the maps."""

    shapes: Sequence[int]
    """B, H, W of each level, one after the other."""
    scales: Sequence[float]
    size: Sequence[int]
    """h, w of the result."""
    ratio: int
    aligned: bool


def make_bags(boxes: Tensor, levels: Tensor | None, settings: Settings) -> Iterator[Bags]:
    """The bags of all boxes, in portions of bounded size, each on one level.

    Args:
        boxes: (R, 5) index of the picture, x1, y1, x2, y2.
        levels: (R,) int64, or None where there is one level.
        settings: the rest of what was asked for.
    """
    for level in range(len(settings.scales)):
        if levels is None:
            chosen = torch.arange(len(boxes))
        else:
            chosen = torch.where(levels == level)[0]
            chosen = chosen[boxes[chosen, 2].argsort()]  # from top to bottom: neighbours share cached rows
        spans = _spans(boxes[chosen], settings.scales[level], settings)
        for group in _groups(spans):
            yield from _portions(boxes, chosen[group], spans[:, :, group], level, settings, levels is None)


def _spans(boxes: Tensor, scale: float, settings: Settings) -> Tensor:
    """(2, 3, n): for the y and x axes, in cells, a box's start, the size of a bin, and samples in a bin."""
    shift = 0.5 if settings.aligned else 0.0
    start = boxes[:, 1:3] * scale - shift
    length = boxes[:, 3:5] * scale - shift - start
    if not settings.aligned:
        length = length.clamp(min=1.0)
    step = length / torch.tensor([settings.size[1], settings.size[0]])
    if settings.ratio > 0:
        samples = torch.full_like(step, settings.ratio)
    else:
        samples = step.ceil().nan_to_num(0.0, 0.0, 0.0)
    return torch.stack([start, step, samples]).permute(2, 0, 1).flip(0)


def _groups(spans: Tensor) -> Iterator[Tensor]:
    """Positions of boxes that need a similar number of samples: to the next power of two."""
    classes = spans[:, 2].amax(0).clamp(min=1).log2().ceil()
    for value in classes.unique(sorted=True):  # type: ignore[no-untyped-call]
        yield torch.where(classes == value)[0]


def _portions(
    boxes: Tensor, chosen: Tensor, spans: Tensor, level: int, settings: Settings, single: bool
) -> Iterator[Bags]:
    """The bags of some boxes of one level; spans (2, 3, n)."""
    _, height, width = settings.shapes[3 * level : 3 * level + 3]
    rows, row_weights = _taps(*spans[0], bins=settings.size[0], cells=height)
    columns, column_weights = _taps(*spans[1], bins=settings.size[1], cells=width)
    rows = rows * width + (boxes[chosen, 0].int() * (height * width))[:, None, None]
    entries = rows[:1].numel() * columns[:1].numel()
    whole = single and len(chosen) == len(boxes) and len(chosen) * entries <= WHOLE
    step = len(chosen) if whole else max(1, PORTION // entries)
    for first in range(0, len(chosen), step):
        part = slice(first, first + step)
        index = rows[part, :, None, :, None] + columns[part, None, :, None, :]  # (n, h, w, taps, taps)
        weights = row_weights[part, :, None, :, None] * column_weights[part, None, :, None, :]
        bag = index.shape[3] * index.shape[4]
        index, weights = index.flatten(), weights.flatten()
        if settings.ratio > 0:
            offsets = torch.arange(0, len(index) + 1, bag, dtype=torch.int32)
        else:  # boxes of a group differ in their number of taps
            kept = weights != 0
            counts = kept.view(-1, bag).sum(1)
            offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()
            index, weights = index[kept], weights[kept]
        yield Bags(level, index, weights, offsets, None if whole else chosen[part])


def _taps(start: Tensor, step: Tensor, samples: Tensor, *, bins: int, cells: int) -> tuple[Tensor, Tensor]:
    """Cells that the bins of boxes touch along one axis, and their weights.

    Args:
        start: (n,) the box's start in cells.
        step: (n,) the size of a bin in cells.
        samples: (n,) the number of samples in a bin.
        bins: bins of a box.
        cells: cells of the map.

    Returns:
        (n, bins, taps) int32 cells and their weights; unused taps weigh 0.
    """
    most = max(1, int(samples.max()))
    start, step, samples = start[:, None, None], step[:, None, None], samples[:, None, None]
    cell = torch.arange(bins, dtype=start.dtype)[:, None]
    sample = torch.arange(most, dtype=start.dtype)
    at = start + cell * step + (sample + 0.5) * step / samples  # (n, bins, samples), in torchvision's order
    inside = (at >= -1) & (at <= cells) & (sample < samples)
    at = at.clamp(0, cells - 1).nan_to_num(0.0)
    low = at.floor()
    share = inside / samples.clamp(min=1)
    upper = (at - low) * share
    lower = share - upper
    slots = (low - low[..., :1]).long()
    last = int(slots.max())
    if int(slots.min()) >= 0 and last < most:
        # Samples lie within a cell of each other and share cells: count every cell once.
        weights = lower.new_zeros(*low.shape[:2], last + 2)
        weights.scatter_add_(2, slots, lower).scatter_add_(2, slots + 1, upper)
        taps = low[..., :1].int() + torch.arange(last + 2, dtype=torch.int32)
        return taps.clamp(max=cells - 1), weights
    taps = torch.stack([low, low + 1], -1).flatten(2).int()
    return taps.clamp(max=cells - 1), torch.stack([lower, upper], -1).flatten(2)
