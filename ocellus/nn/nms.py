"""Non-maximum suppression."""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import batched_nms as torchvision_batched_nms


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, *, overlap: float, keep: int) -> Tensor:
    """Drops every box that a higher-scored one of its group overlaps too much.

    Args:
        boxes: (N, 4).
        scores: (N,).
        groups: (N,) int64; boxes of different groups (classes, pyramid levels) do not suppress each other.
        overlap: intersection over union above which the lower-scored box is dropped.
        keep: most boxes that are kept, over all groups.

    Returns:
        (K,) int64 indices of the kept boxes, best first.
    """
    kept: Tensor = torchvision_batched_nms(boxes, scores, groups, overlap)
    return kept[:keep]
