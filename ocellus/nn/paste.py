"""Mask probabilities of boxes brought to the picture's size, straight into run lengths.

Only the part of the picture under a box is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from ocellus.errors import OcellusError
from ocellus.values import Masks, runs

LARGEST = 1 << 24
"""Pixels made at once, 64 MB; larger boxes are sampled a few rows at a time."""

Window = tuple[NDArray[np.bool_], int, int]
"""A mask inside a part of the picture, and that part's top and left."""

EMPTY: Window = (np.zeros((0, 0), np.bool_), 0, 0)


def paste_masks(
    probabilities: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    *,
    threshold: float = 0.5,
    whole_boxes: bool = True,
) -> Masks:
    """The masks of boxes in a picture: pixels whose interpolated probability reaches the threshold.

    With whole boxes the masks equal those of torchvision's `paste_masks_in_image` bit for bit, but for boxes
    of more than `LARGEST` pixels: there a probability within rounding error of the threshold may fall on the
    other side.

    Args:
        probabilities: (N, M, M) in [0, 1], one mask in each box.
        boxes: (N, 4) x1, y1, x2, y2 in pixels of the picture; may lie outside it in part or in whole.
        size: (H, W) of the picture.
        threshold: from which probability on a pixel belongs to the mask, above 0.
        whole_boxes: cut box corners to whole pixels and resize the mask to them, a border of zeros around
            it (torchvision); otherwise sample it at the pixels' centres (detectron2).

    Returns:
        N masks of that size; a box outside the picture has an empty one.

    Raises:
        OcellusError: a box is not finite, or the threshold not above 0.
    """
    if not threshold > 0:
        raise OcellusError(f"mask threshold {threshold}: it must lie above 0, for instance 0.5", exit_code=2)
    probabilities = probabilities.detach().cpu().float()
    boxes = boxes.detach().cpu()
    boxes = boxes if boxes.dtype == torch.float64 else boxes.float()
    broken = torch.where(~torch.isfinite(boxes).all(1))[0]
    if len(broken):
        box = boxes[broken[0]].tolist()
        raise OcellusError(
            f"box {int(broken[0])} is {box}, not finite: the network that made it has diverged"
        )
    windows = (_whole if whole_boxes else _centres)(probabilities, boxes, size, threshold)
    counts = [runs.encode(mask, size=size, top=top, left=left) for mask, top, left in windows]
    return Masks.from_runs(counts, size)


def _whole(probabilities: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float) -> Iterator[Window]:
    """Masks resized to boxes of whole pixels, with a border of zeros so that they fade out."""
    padded = pad(probabilities, (1, 1, 1, 1))  # (N, M + 2, M + 2)
    for mask, (left, top, right, bottom) in zip(padded, _grown(boxes, probabilities.shape[-1]), strict=True):
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        first_row, last_row = max(top, 0), max(min(bottom + 1, size[0]), 0)
        first_column, last_column = max(left, 0), max(min(right + 1, size[1]), 0)
        if first_row >= last_row or first_column >= last_column:
            yield EMPTY
            continue
        rows = slice(first_row - top, last_row - top)
        columns = slice(first_column - left, last_column - left)
        if height * width <= LARGEST:
            resized = interpolate(
                mask[None, None], size=(height, width), mode="bilinear", align_corners=False
            )
            inside = (resized[0, 0, rows, columns] >= threshold).numpy()
        else:
            y = (torch.arange(rows.start, rows.stop, dtype=torch.float64) + 0.5) / height * 2 - 1
            x = (torch.arange(columns.start, columns.stop, dtype=torch.float64) + 0.5) / width * 2 - 1
            inside = _sample(mask.double(), y, x, threshold=threshold, padding="border")
        yield inside, first_row, first_column


def _grown(boxes: Tensor, side: int) -> list[list[int]]:
    """Left, top, right, bottom in whole pixels of boxes grown by the masks' border of zeros."""
    scale = (side + 2) / side
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * scale
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    grown: list[list[int]] = torch.cat([centre - half, centre + half], 1).to(torch.int64).tolist()
    return grown


def _centres(
    probabilities: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float
) -> Iterator[Window]:
    """Masks sampled at the centres of pixels, zero outside the box."""
    first = (boxes[:, :2].floor() - 1).clamp(min=0)
    last = torch.minimum(boxes[:, 2:].ceil() + 1, boxes.new_tensor([size[1], size[0]]))
    windows = torch.cat([first, last], 1).to(torch.int64).tolist()
    for mask, box, (left, top, right, bottom) in zip(probabilities, boxes, windows, strict=True):
        if left >= right or top >= bottom or bool((box[2:] <= box[:2]).any()):
            yield EMPTY
            continue
        y = (torch.arange(top, bottom, dtype=torch.float32) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        x = (torch.arange(left, right, dtype=torch.float32) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
        yield _sample(mask.to(y.dtype), y, x, threshold=threshold, padding="zeros"), top, left


def _sample(mask: Tensor, y: Tensor, x: Tensor, *, threshold: float, padding: str) -> NDArray[np.bool_]:
    """(h, w): where the mask (M, M), spread over [-1, 1], reaches the threshold, at y (h,) and x (w,)."""
    inside = np.empty((len(y), len(x)), np.bool_)
    step = max(1, LARGEST // (2 * len(x)))
    for first in range(0, len(y), step):
        rows = y[first : first + step]
        grid = torch.stack([x.expand(len(rows), -1), rows[:, None].expand(-1, len(x))], -1)  # (h, w, 2)
        values = grid_sample(mask[None, None], grid[None], padding_mode=padding, align_corners=False)
        inside[first : first + step] = (values[0, 0] >= threshold).numpy()
    return inside
