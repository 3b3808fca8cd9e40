"""RoIAlign as one weighted gather: each output bin is a bag of channels-last feature rows, summed by weight.

`ocellus.nn.roi_taps` makes the bags, `embedding_bag` sums them. The gradient is the same gather with
the matrix of weights transposed. Nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ocellus.nn.roi_taps import Bags, Settings, make_bags

SLICE = 32
"""Channels of NCHW maps turned channels last at a time: so small a table needs no new memory."""


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
    plan: Iterable[Bags] = make_bags(boxes, levels, Settings(shapes, scales, size, ratio, aligned))
    if all(feature.is_contiguous(memory_format=torch.channels_last) for feature in features):
        return _gather(features, plan, count=len(boxes), bins=size[0] * size[1])
    plan, channels = list(plan), features[0].shape[1]
    result = features[0].new_empty(len(boxes) * size[0] * size[1], channels)
    for first in range(0, channels, SLICE):
        part = slice(first, first + SLICE)
        maps = [feature[:, part] for feature in features]
        result[:, part] = _gather(maps, plan, count=len(boxes), bins=size[0] * size[1])
    return result


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
    for bags in make_bags(boxes, levels, Settings(shapes, scales, size, ratio, aligned)):
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


def _gather(features: Sequence[Tensor], plan: Iterable[Bags], *, count: int, bins: int) -> Tensor:
    """(count * bins, C): the bags of all boxes, in the boxes' order."""
    channels = features[0].shape[1]
    result: Tensor | None = None
    tables: dict[int, Tensor] = {}
    for bags in plan:
        if bags.level not in tables:
            rows = features[bags.level].permute(0, 2, 3, 1).contiguous()
            tables[bags.level] = rows.flatten(0, 2)  # (B * H * W, C)
        sums = _sums(tables[bags.level], bags.rows, bags.weights, bags.offsets)
        if bags.boxes is None:
            return sums
        if result is None:
            result = sums.new_empty(count, bins * channels)
        result.index_copy_(0, bags.boxes, sums.view(-1, bins * channels))
    return features[0].new_empty(0, channels) if result is None else result.view(-1, channels)


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
