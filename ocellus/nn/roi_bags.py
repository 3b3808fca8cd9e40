"""RoIAlign as one weighted gather: each output bin is a bag of channels-last feature rows, summed by weight.

Bilinear interpolation and the mean over a bin's samples are linear, and separate over the axes. So a bin is a
few rows of the map and a few columns (its taps) with a weight each; the products of the two are one bag of
`embedding_bag`. The gradient is the same gather with the matrix of weights transposed. Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

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


@torch.library.custom_op("ocellus::roi_align", mutates_args=())
def bag_sums(
    features: Sequence[Tensor],
    boxes: Tensor,
    levels: Tensor | None,
    shapes: Sequence[int],
    scales: Sequence[float],
    size: Sequence[int],
    ratio: int,
    aligned: bool,
) -> Tensor:
    """RoIAlign of each box on its level.

    Args:
        features: (B, C, H, W) of each level, of one dtype.
        boxes: (R, 5) index of the picture, x1, y1, x2, y2 in float32, or float64.
        levels: (R,) int64, or None where there is one level.
        shapes: B, H, W of each level, one after the other.
        scales: feature cells in a pixel, of each level.
        size: h, w of the result.
        ratio: samples along the side of a bin; 0: by the bin's size.
        aligned: shift by half a cell.

    Returns:
        (R * h * w, C), channels last.
    """
    bins, channels = size[0] * size[1], features[0].shape[1]
    result: Tensor | None = None
    tables: dict[int, Tensor] = {}
    for bags in _plan(boxes, levels, Settings(shapes, scales, size, ratio, aligned)):
        if bags.level not in tables:
            rows = features[bags.level].permute(0, 2, 3, 1).contiguous()
            tables[bags.level] = rows.flatten(0, 2)  # (B * H * W, C)
        sums = _sums(tables[bags.level], bags.rows, bags.weights, bags.offsets)
        if bags.boxes is None:
            return sums
        if result is None:
            result = sums.new_empty(len(boxes), bins * channels)
        result.index_copy_(0, bags.boxes, sums.view(-1, bins * channels))
    return features[0].new_empty(0, channels) if result is None else result.view(-1, channels)


@torch.library.custom_op("ocellus::roi_align_gradient", mutates_args=())
def bag_sums_gradient(
    gradient: Tensor,
    boxes: Tensor,
    levels: Tensor | None,
    shapes: Sequence[int],
    scales: Sequence[float],
    size: Sequence[int],
    ratio: int,
    aligned: bool,
) -> list[Tensor]:
    """The gradient of each level, (B, C, H, W) channels last, from that of `bag_sums`, (R * h * w, C)."""
    of_level: dict[int, list[Bags]] = {}
    for bags in _plan(boxes, levels, Settings(shapes, scales, size, ratio, aligned)):
        of_level.setdefault(bags.level, []).append(bags)
    results = []
    for level in range(len(scales)):
        batch, height, width = shapes[3 * level : 3 * level + 3]
        table = _transposed_sums(
            gradient.contiguous(),
            of_level.get(level, []),
            rows=batch * height * width,
            bins=size[0] * size[1],
        )
        results.append(table.view(batch, height, width, gradient.shape[1]).permute(0, 3, 1, 2))
    return results


@bag_sums.register_fake
def _(features, boxes, levels, shapes, scales, size, ratio, aligned):  # type: ignore[no-untyped-def]
    return features[0].new_empty(boxes.shape[0] * size[0] * size[1], features[0].shape[1])


@bag_sums_gradient.register_fake
def _(gradient, boxes, levels, shapes, scales, size, ratio, aligned):  # type: ignore[no-untyped-def]
    maps = [shapes[first : first + 3] for first in range(0, len(shapes), 3)]
    return [gradient.new_empty(*shape, gradient.shape[1]).permute(0, 3, 1, 2) for shape in maps]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, boxes, levels, *ctx.settings = inputs
    ctx.save_for_backward(boxes, levels)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    boxes, levels = ctx.saved_tensors
    # The plan is made again: that takes a twentieth of the time, and keeping it would take 8 bytes an entry.
    return bag_sums_gradient(gradient, boxes, levels, *ctx.settings), *(None,) * (2 + len(ctx.settings))


bag_sums.register_autograd(_backward, setup_context=_remember)


def _plan(boxes: Tensor, levels: Tensor | None, settings: Settings) -> Iterator[Bags]:
    """The bags of all boxes, in portions of bounded size, each on one level."""
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
    if int(slots.min()) >= 0 and int(slots.max()) < most:
        # Samples lie within a cell of each other and share cells: count every cell once.
        weights = lower.new_zeros(*low.shape[:2], most + 1)
        weights.scatter_add_(2, slots, lower).scatter_add_(2, slots + 1, upper)
        taps = low[..., :1].int() + torch.arange(most + 1, dtype=torch.int32)
        return taps.clamp(max=cells - 1), weights
    taps = torch.stack([low, low + 1], -1).flatten(2).int()
    return taps.clamp(max=cells - 1), torch.stack([lower, upper], -1).flatten(2)


def _sums(table: Tensor, index: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """(n, C): the weighted sum of the table's rows in each bag."""
    weights = weights.to(table.dtype)
    return embedding_bag(
        index, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _transposed_sums(gradient: Tensor, portions: Sequence[Bags], *, rows: int, bins: int) -> Tensor:
    """(rows, C): the gradient of a level's table. Each row is a bag of the bins that it went into."""
    from scipy.sparse import csr_array

    if not portions or not rows:
        return gradient.new_zeros(rows, gradient.shape[1])
    counts = torch.cat([torch.diff(bags.offsets) for bags in portions])
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0).int()])
    index = torch.cat([bags.rows for bags in portions])
    weights = torch.cat([bags.weights for bags in portions])
    matrix = csr_array((weights.numpy(), index.numpy(), offsets.numpy()), shape=(len(counts), rows))
    matrix.eliminate_zeros()
    transposed = matrix.tocsc()
    bag = torch.from_numpy(transposed.indices)
    if portions[0].boxes is not None:
        owner = torch.cat([bags.boxes for bags in portions if bags.boxes is not None])
        bag = (owner[:, None] * bins + torch.arange(bins)).int().flatten()[bag]
    return _sums(gradient, bag, torch.from_numpy(transposed.data), torch.from_numpy(transposed.indptr))
