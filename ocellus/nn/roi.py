"""Features inside boxes, resampled to a fixed grid: RoIAlign, RoIPool, and the choice of a pyramid level.

On the CPU RoIAlign is ours: every output bin is one bag of feature rows, weighted and summed by
`embedding_bag` (`ocellus.nn.roi_taps` says which rows with which weights). Elsewhere it is torchvision's
kernel; `_gathers` decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor

from ocellus.nn.roi_bags import bag_sums

Size = int | tuple[int, int]


def roi_align(
    features: Tensor,
    boxes: Tensor,
    *,
    output_size: Size,
    spatial_scale: float,
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Tensor:
    """Bilinear samples of each box, averaged within bins; arXiv:1703.06870, section 3 (RoIAlign).

    Args:
        features: (B, C, H, W), any floating dtype; fastest on the CPU in channels-last memory. Rows are
            gathered and the result is given in this dtype, under autocast too; with bfloat16 the weights are
            rounded to it and the sums are kept in float32.
        boxes: (R, 5) picture's index in the batch, then x1, y1, x2, y2 in pixels of the input image.
            Coordinates are computed in float32 (float64 where the features are). Boxes get no gradient.
        output_size: h, w of the result.
        spatial_scale: feature cells in a pixel, 1 / stride.
        sampling_ratio: samples along each side of a bin; 0: as many as the bin has cells, rounded up
            (detectron2).
        aligned: shift by half a cell, so that cell centres lie at half-integers (detectron2); otherwise boxes
            under one cell are also widened to one, as torchvision does.

    Returns:
        (R, C, h, w), on the CPU a view of channels-last memory. A sample more than one cell outside the map
        is 0, and so is one whose place is not a number.
    """
    scales, size = (spatial_scale,), _pair(output_size)
    if not _gathers(features):
        return _torchvision_align(features, boxes, size, spatial_scale, sampling_ratio, aligned)
    return _gather((features,), boxes, None, scales, size, sampling_ratio, aligned)


def roi_pool(features: Tensor, boxes: Tensor, *, output_size: Size, spatial_scale: float) -> Tensor:
    """The largest feature in each bin of boxes rounded to whole cells; arXiv:1504.08083, section 2.1.

    What RoIAlign replaced, to compare; torchvision's operator, in float32 where features are narrower.

    Args:
        features: (B, C, H, W).
        boxes: (R, 5) as for `roi_align`.
        output_size: h, w of the result.
        spatial_scale: feature cells in a pixel.

    Returns:
        (R, C, h, w) in the features' dtype.
    """
    wide = features if features.dtype == torch.float64 else features.float()
    pooled: Tensor = torchvision.ops.roi_pool(wide, boxes.to(wide.dtype), _pair(output_size), spatial_scale)
    return pooled.to(features.dtype)


def assign_levels(
    boxes: Tensor, *, strides: Sequence[int], canonical_size: float = 224, canonical_level: int = 4
) -> Tensor:
    """The pyramid level on which each box covers a similar number of cells; arXiv:1612.03144, equation 1.

    Args:
        boxes: (R, 4) x1, y1, x2, y2 in pixels of the input image.
        strides: pixels in a cell of each level, ascending powers of two.
        canonical_size: side of a box that belongs to the canonical level, in pixels.
        canonical_level: log2 of that level's stride.

    Returns:
        (R,) int64 index into strides.
    """
    lowest = round(math.log2(strides[0]))
    side = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    # 1e-6: torchvision's guard, so that a box of exactly a power of two is not rounded down.
    level = torch.floor(canonical_level + torch.log2(side / canonical_size) + 1e-6) - lowest
    return level.nan_to_num(0.0).clamp(0, len(strides) - 1).long()


def multiscale_roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    *,
    strides: Sequence[int],
    output_size: Size,
    sampling_ratio: int = 2,
    aligned: bool = False,
    pooling: str = "align",
    canonical_size: float = 224,
    canonical_level: int = 4,
) -> Tensor:
    """`roi_align`, or `roi_pool`, of each box on the pyramid level that suits its area.

    Args:
        features: (B, C, H_l, W_l) of each level, finest first.
        boxes: (R, 5) as for `roi_align`.
        strides: pixels in a cell of each level.
        output_size: h, w of the result.
        sampling_ratio: as for `roi_align`.
        aligned: as for `roi_align`.
        pooling: "align" or "pool".
        canonical_size: as for `assign_levels`.
        canonical_level: as for `assign_levels`.

    Returns:
        (R, C, h, w) in the boxes' order.
    """
    size, scales = _pair(output_size), [1 / stride for stride in strides]
    levels = assign_levels(
        boxes[:, 1:].float(), strides=strides, canonical_size=canonical_size, canonical_level=canonical_level
    )
    if pooling == "align" and _gathers(features[0]):
        return _gather(tuple(features), boxes, levels, scales, size, sampling_ratio, aligned)
    result = features[0].new_zeros(boxes.shape[0], features[0].shape[1], *size)
    for level, (feature, scale) in enumerate(zip(features, scales, strict=True)):
        chosen = torch.where(levels == level)[0]
        if pooling == "pool":
            found = roi_pool(feature, boxes[chosen], output_size=size, spatial_scale=scale)
        else:
            found = _torchvision_align(feature, boxes[chosen], size, scale, sampling_ratio, aligned)
        result = result.index_copy(0, chosen, found.to(result.dtype))
    return result


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _gathers(features: Tensor) -> bool:
    """Whether our gather runs: on the CPU, and not in an exported graph, which must run elsewhere."""
    return features.device.type == "cpu" and not torch.compiler.is_exporting()


def _torchvision_align(
    features: Tensor, boxes: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Tensor:
    wide = features if features.dtype == torch.float64 else features.float()
    found: Tensor = torchvision.ops.roi_align(wide, boxes.to(wide.dtype), size, scale, ratio, aligned)
    return found.to(features.dtype)


def _gather(
    features: Sequence[Tensor],
    boxes: Tensor,
    levels: Tensor | None,
    scales: Sequence[float],
    size: tuple[int, int],
    ratio: int,
    aligned: bool,
) -> Tensor:
    """RoIAlign of all boxes as bags of channels-last rows; levels (R,) or None where there is one."""
    boxes = boxes.detach().to(torch.promote_types(features[0].dtype, torch.float32))
    shapes = [side for feature in features for side in (feature.shape[0], *feature.shape[2:])]
    rows: Tensor = bag_sums(list(features), boxes, levels, shapes, scales, size, ratio, aligned)
    return rows.view(boxes.shape[0], *size, features[0].shape[1]).permute(0, 3, 1, 2)
