"""Boxes as x1, y1, x2, y2 in pixels: overlap, coding relative to a reference, clipping."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

# The largest log of a size ratio that is decoded: a 16-pixel reference grows to 1000 pixels at most.
LARGEST_LOG_RATIO = log(1000 / 16)


def areas(boxes: Tensor) -> Tensor:
    """(..., 4) boxes -> (...) areas in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """(N, 4), (M, 4) -> (N, M) areas that both cover, in square pixels."""
    width = torch.minimum(boxes[:, None, 2], others[None, :, 2])
    width -= torch.maximum(boxes[:, None, 0], others[None, :, 0])
    height = torch.minimum(boxes[:, None, 3], others[None, :, 3])
    height -= torch.maximum(boxes[:, None, 1], others[None, :, 1])
    return width.clamp_(min=0).mul_(height.clamp_(min=0))


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """(N, 4), (M, 4) -> (N, M) intersection over union; 0 where both boxes are empty."""
    shared = intersections(boxes, others)
    union = (areas(boxes)[:, None] + areas(others)[None, :]).sub_(shared)
    return shared.div_(union.clamp_(min=1e-12))


def encode(boxes: Tensor, references: Tensor, *, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Tensor:
    """Boxes relative to reference boxes (Girshick 2014, arXiv:1311.2524, appendix C).

    Args:
        boxes: (..., 4).
        references: (..., 4), each with a positive area.
        weights: factors of the four numbers.

    Returns:
        (..., 4): shift of the centre over the reference's size, log of the size ratio, for x and y.
    """
    size, centre = _size_and_centre(references)
    box_size, box_centre = _size_and_centre(boxes)
    shift = (box_centre - centre) / size
    growth = torch.log(box_size / size)
    return torch.cat([shift, growth], dim=-1) * boxes.new_tensor(weights)


def decode(deltas: Tensor, references: Tensor, *, weights: tuple[float, ...] = (1, 1, 1, 1)) -> Tensor:
    """The inverse of `encode`; growth is clamped at a factor of 62.5.

    Args:
        deltas: (..., 4).
        references: (..., 4), broadcast against `deltas`.
        weights: the factors that `encode` used.

    Returns:
        (..., 4) boxes, not clipped.
    """
    size, centre = _size_and_centre(references)
    deltas = deltas / deltas.new_tensor(weights)
    centre = deltas[..., :2] * size + centre
    half = 0.5 * torch.exp(deltas[..., 2:].clamp(max=LARGEST_LOG_RATIO)) * size
    return torch.cat([centre - half, centre + half], dim=-1)


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes cut off at the border of their picture.

    Args:
        boxes: (B, ..., 4).
        sizes: (B, 2) H and W.
    """
    limits = sizes.flip(-1).to(boxes.dtype).repeat(1, 2)  # (B, 4) W, H, W, H
    limits = limits.reshape(limits.shape[0], *(1,) * (boxes.ndim - 2), 4)
    return torch.minimum(boxes.clamp(min=0), limits)


def _size_and_centre(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = boxes[..., 2:] - boxes[..., :2]
    return size, boxes[..., :2] + 0.5 * size
