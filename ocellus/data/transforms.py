"""Transforms of a picture together with its boxes, masks and keypoints.

One convention everywhere: the pixel (row, column) covers [column, column + 1] x [row, row + 1], so a mirrored
box AND a mirrored keypoint go from x to W - x. Masks are never resampled: their windows stay as they are and
only the map to them changes (see `ocellus.data.crops`). Every function is pure; the dice are thrown in
`ocellus.data.examples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ocellus.data import crops as mask_crops
from ocellus.data import target as targets
from ocellus.data.target import Target

SMALLEST = 1.0  # pixels: an object whose visible box is narrower has vanished


class Example(NamedTuple):
    """A picture on its way to a batch."""

    image: Tensor  # (3, H, W) uint8, or float32 in [0, 1]
    target: Target

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.image.shape[1]), int(self.image.shape[2])


def resized_size(
    size: tuple[int, int], *, short_side: float, long_side: float, factor: float = 1.0
) -> tuple[int, int]:
    """(H, W) after the resize of torchvision's detection models: the short side to `short_side`, but the long
    side at most `long_side`; rounded down.

    Args:
        size: (H, W).
        short_side: pixels; 0: keep the size.
        long_side: pixels; 0: no limit.
        factor: of the scale jitter, on top.
    """
    height, width = size
    scale = short_side / min(size) if short_side else 1.0
    if short_side and long_side:
        scale = min(scale, long_side / max(size))
    scale *= factor
    return max(int(height * scale), 1), max(int(width * scale), 1)


def resize(example: Example, size: tuple[int, int]) -> Example:
    """To (H, W), bilinear without antialiasing, as torchvision's detection models do.

    A uint8 picture stays uint8, within one grey level (and six times faster); a float picture is exact.
    """
    if size == example.size:
        return example
    height, width = example.size
    image = interpolate(example.image[None], size=size, mode="bilinear", align_corners=False)[0]
    matrix = torch.tensor([[size[1] / width, 0.0, 0.0], [0.0, size[0] / height, 0.0]])
    return Example(image, _mapped(example.target, matrix))


def flip(example: Example, order: Sequence[int] = ()) -> Example:
    """Mirrored left to right; `order` is the skeleton's `flip_order`, so that left hands stay left hands."""
    matrix = torch.tensor([[-1.0, 0.0, example.size[1]], [0.0, 1.0, 0.0]])
    return Example(example.image.flip(2), _reordered(_mapped(example.target, matrix), order))


def flip_vertical(example: Example, order: Sequence[int] = ()) -> Example:
    """Mirrored top to bottom; that too makes left hands look like right hands, hence `order`."""
    matrix = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, example.size[0]]])
    return Example(example.image.flip(1), _reordered(_mapped(example.target, matrix), order))


def turn(example: Example) -> Example:
    """A quarter turn counterclockwise."""
    matrix = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, example.size[1]]])
    return Example(example.image.rot90(1, (1, 2)).contiguous(), _mapped(example.target, matrix))


def crop(example: Example, window: tuple[int, int, int, int]) -> Example:
    """The part inside (left, top, width, height), whole pixels inside the picture.

    Boxes become those of what is still visible, points that are cut off lose their visibility, objects that
    vanish are dropped.
    """
    left, top, width, height = window
    image = example.image[:, top : top + height, left : left + width]
    shifted = _mapped(example.target, torch.tensor([[1.0, 0.0, -left], [0.0, 1.0, -top]]))
    return Example(image, visible(shifted, (0, 0, width, height)))


def visible(target: Target, area: tuple[float, float, float, float]) -> Target:
    """What can be seen of the objects inside (x1, y1, x2, y2) of the example; the others are dropped."""
    x1, y1, x2, y2 = area
    boxes = target.boxes
    cut = (boxes[:, 0] < x1) | (boxes[:, 1] < y1) | (boxes[:, 2] > x2) | (boxes[:, 3] > y2)
    points = target.keypoints
    if points is not None:
        x, y = points[..., 0], points[..., 1]
        seen = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2) & (points[..., 2] > 0)
        points = torch.where(seen[..., None], points, 0.0)
    if target.crops is None:
        return _rebox(target._replace(keypoints=points), cut, masked=torch.zeros_like(cut), area=area)
    masked = target.crops.windows[:, 2] > 0
    target = target._replace(crops=mask_crops.trimmed(target.crops, area), keypoints=points)
    return _rebox(target, cut, masked=masked, area=area)


def color(image: Tensor, *, brightness: float, contrast: float, saturation: float) -> Tensor:
    """Factors of brightness, of contrast about the mean grey and of saturation about each pixel's grey.

    All three in one matrix product; 1 each leaves the picture as it is. (3, H, W) uint8 gives uint8, float in
    [0, 1] gives float.
    """
    luma = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
    top = 255.0 if image.dtype == torch.uint8 else 1.0
    flat = image.float().flatten(1)  # (3, H W)
    grey = float(luma @ flat.mean(dim=1))
    matrix = saturation * torch.eye(3) + (1 - saturation) * luma.expand(3, 3)
    flat = torch.addmm(
        torch.full((3, 1), brightness * (1 - contrast) * grey), brightness * contrast * matrix, flat
    ).clamp_(0, top)
    flat = flat.round_().to(torch.uint8) if image.dtype == torch.uint8 else flat
    return flat.view_as(image)


def mosaic(examples: Sequence[Example], size: tuple[int, int], center: tuple[int, int]) -> Example:
    """Four pictures as one (arXiv:2004.10934, section 3.4): each scaled to cover its quarter and cut to it.

    Args:
        examples: top left, top right, bottom left, bottom right.
        size: (H, W) of the result.
        center: (row, column) where the four meet.
    """
    height, width = size
    row, column = center
    image = examples[0].image.new_zeros(3, height, width)
    parts = []
    for index, example in enumerate(examples):
        top, bottom = (0, row) if index < 2 else (row, height)
        left, right = (0, column) if index % 2 == 0 else (column, width)
        h, w = bottom - top, right - left
        scale = max(h / example.size[0], w / example.size[1])
        scaled = (max(round(example.size[0] * scale), h), max(round(example.size[1] * scale), w))
        tile = resize(example, scaled)
        tile = crop(tile, ((scaled[1] - w) // 2, (scaled[0] - h) // 2, w, h))
        image[:, top:bottom, left:right] = tile.image
        parts.append(_mapped(tile.target, torch.tensor([[1.0, 0.0, left], [0.0, 1.0, top]])))
    return Example(image, targets.concatenate(parts))


def copy_paste(example: Example, other: Example, chosen: Sequence[int]) -> Example:
    """The chosen objects of another picture put into this one at their places (arXiv:2012.07177, section 3).

    What they hide is taken from the masks below, whose boxes shrink accordingly; objects hidden whole vanish.
    Objects without a mask cannot be cut out and are left.
    """
    height, width = example.size
    pasted = visible(targets.select(other.target, torch.tensor(list(chosen), dtype=torch.int64)),
                     (0, 0, min(width, other.size[1]), min(height, other.size[0])))  # fmt: skip
    if pasted.crops is None or len(pasted.boxes) == 0:
        return example
    pasted = targets.select(pasted, pasted.crops.windows[:, 2] > 0)
    if len(pasted.boxes) == 0 or pasted.crops is None:
        return example
    image = example.image.clone()
    for index, box in enumerate(pasted.boxes):
        left, top = (int(value) for value in box[:2].floor())
        right, bottom = (int(value) for value in box[2:].ceil())
        right, bottom = min(right, width, other.size[1]), min(bottom, height, other.size[0])
        area = torch.tensor([[left, top, right, bottom]], dtype=torch.float32)
        inside = mask_crops.sample(pasted.crops, torch.tensor([index]), area, (bottom - top, right - left))[0]
        view = image[:, top:bottom, left:right]
        view.copy_(torch.where(inside >= 0.5, other.image[:, top:bottom, left:right], view))
    below = example.target
    if below.crops is not None:
        left_over, changed = mask_crops.erased(below.crops, below.boxes, pasted.crops, pasted.boxes)
        below = _rebox(below._replace(crops=left_over), changed, masked=changed, area=(0, 0, width, height))
    return Example(image, targets.concatenate([below, pasted]))


def _mapped(target: Target, matrix: Tensor) -> Target:
    """A target under the (2, 3) map from old to new pixels, which takes boxes to boxes."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    corners = target.boxes.view(-1, 2, 2) @ linear.T + shift  # (N, corner, x or y)
    boxes = torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)
    points = target.keypoints
    if points is not None:
        moved = points[..., :2] @ linear.T + shift
        seen = points[..., 2:] > 0
        points = torch.cat([torch.where(seen, moved, 0.0), points[..., 2:]], dim=-1)
    crops = target.crops
    if crops is not None:
        inverse = torch.linalg.inv(linear)
        crops = mask_crops.moved(crops, torch.cat([inverse, -inverse @ shift[:, None]], dim=1))
    return target._replace(boxes=boxes, keypoints=points, crops=crops)


def _reordered(target: Target, order: Sequence[int]) -> Target:
    if target.keypoints is None or not order:
        return target
    return target._replace(keypoints=target.keypoints[:, list(order)])


def _rebox(target: Target, cut: Tensor, *, masked: Tensor, area: tuple[float, float, float, float]) -> Target:
    """Boxes of the objects that lost something, (N,) cut: of what is left of the mask where it had one, (N,)
    masked, and clipped to the area; those that vanished are dropped."""
    boxes = target.boxes
    low, high = torch.tensor(area[:2], dtype=torch.float32), torch.tensor(area[2:], dtype=torch.float32)
    chosen = torch.nonzero(cut & masked).flatten()
    if target.crops is not None and len(chosen):
        boxes = boxes.clone()
        boxes[chosen] = mask_crops.boxes_of(mask_crops.select(target.crops, chosen))
    clipped = boxes.view(-1, 2, 2).clamp(low, high).view(-1, 4)
    boxes = torch.where(cut[:, None], clipped, boxes)
    side = boxes[:, 2:] - boxes[:, :2]
    return targets.select(target._replace(boxes=boxes), ~cut | (side >= SMALLEST).all(dim=1))
