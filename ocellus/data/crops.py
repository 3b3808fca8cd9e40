"""Masks for training: each kept as its own small window, and looked at only inside the boxes that ask.

A picture with 200 objects never becomes 200 dense masks. Flips, turns, scales and crops leave the windows
alone and change only the map from the example's pixels to the pixels of the picture the masks were drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.values import Masks


class MaskCrops(NamedTuple):
    """N masks of one example."""

    bits: Tensor  # (T,) uint8 0 or 1, the windows row by row, end to end
    offsets: Tensor  # (N,) int64, where each window starts in bits
    windows: (
        Tensor  # (N, 4) int64 left, top, width, height in pixels of the original picture; 0 wide: no mask
    )
    affine: Tensor  # (N, 2, 3) float32, takes (x, y, 1) of the example to x, y of the original picture


def from_masks(masks: Masks) -> MaskCrops:
    """The windows of N masks; the example is the picture itself."""
    bounds = masks.bounds()
    windows = []
    for index, (left, top, right, bottom) in enumerate(bounds.tolist()):
        windows.append(torch.from_numpy(masks.window(index, (left, top, right, bottom)).copy()))
    corners = torch.cat([bounds[:, :2], bounds[:, 2:] - bounds[:, :2]], dim=1)
    return _joined(windows, corners, torch.eye(3)[:2].repeat(len(masks), 1, 1))


def blank(count: int) -> MaskCrops:
    """Stand-ins for objects of which only the box is known."""
    return _joined([], torch.zeros(count, 4, dtype=torch.int64), torch.eye(3)[:2].repeat(count, 1, 1))


def sample(crops: MaskCrops, index: Tensor, boxes: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Masks seen through boxes: each box in a grid of bins, the mask interpolated at every bin's centre.

    It is RoIAlign (arXiv:1703.06870, section 3) of the dense mask with one sampling point a bin, in the
    convention that the pixel (row, column) covers [column, column + 1] x [row, row + 1]; everything outside a
    mask's window is background.

    Args:
        crops: N masks.
        index: (P,) int64, the mask that each box looks at.
        boxes: (P, 4) float x1, y1, x2, y2 in pixels of the example.
        size: bins along a side, or (rows, columns).

    Returns:
        (P, rows, columns) float32 in [0, 1].
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    if crops.bits.numel() == 0:
        return boxes.new_zeros(len(boxes), rows, columns, dtype=torch.float32)
    corner, side = boxes[:, :2].float(), (boxes[:, 2:] - boxes[:, :2]).float()
    across = (torch.arange(columns, device=boxes.device) + 0.5) / columns
    down = (torch.arange(rows, device=boxes.device) + 0.5) / rows
    x = (corner[:, :1] + across * side[:, :1])[:, None, :]  # (P, 1, columns)
    y = (corner[:, 1:] + down * side[:, 1:])[:, :, None]  # (P, rows, 1)
    a = crops.affine[index].float()[:, :, :, None, None]  # (P, 2, 3, 1, 1)
    left, top, width, height = crops.windows[index][:, :, None, None].unbind(1)
    # Coordinates inside the window whose whole numbers are pixel centres.
    u = a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2] - left - 0.5  # (P, rows, columns)
    v = a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2] - top - 0.5
    column, row = u.floor(), v.floor()
    u, v = u - column, v - row
    column, row = column.long(), row.long()
    start = crops.offsets[index][:, None, None]
    result = torch.zeros_like(u)
    for right in (0, 1):
        for below in (0, 1):
            i, j = row + below, column + right
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            bit = crops.bits[torch.where(inside, start + i * width + j, 0)]
            weight = (u if right else 1 - u) * (v if below else 1 - v)
            result += weight * (bit * inside)
    return result


def select(crops: MaskCrops, chosen: Tensor) -> MaskCrops:
    """The chosen masks, by index or (N,) bool; windows that nobody needs any more are not copied."""
    index = torch.arange(len(crops.offsets))[chosen]
    if len(index) == len(crops.offsets) and bool((index == torch.arange(len(index))).all()):
        return crops
    return _joined([window(crops, i) for i in index.tolist()], crops.windows[index], crops.affine[index])


def concatenate(parts: Sequence[MaskCrops]) -> MaskCrops:
    """The masks of several examples as those of one."""
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.bits))
    return MaskCrops(
        torch.cat([part.bits for part in parts]),
        torch.cat([part.offsets + start for part, start in zip(parts, starts, strict=False)]),
        torch.cat([part.windows for part in parts]),
        torch.cat([part.affine for part in parts]),
    )


def window(crops: MaskCrops, index: int) -> Tensor:
    """(height, width) uint8, one mask's window; a view."""
    _, _, width, height = crops.windows[index].tolist()
    start = int(crops.offsets[index])
    return crops.bits[start : start + width * height].view(height, width)


def moved(crops: MaskCrops, inverse: Tensor) -> MaskCrops:
    """The same masks in another example; (2, 3) inverse takes the new example's pixels to the old one's."""
    linear = crops.affine[:, :, :2]
    shift = linear @ inverse[:, 2:] + crops.affine[:, :, 2:]
    return crops._replace(affine=torch.cat([linear @ inverse[:, :2], shift], dim=2))


def trimmed(crops: MaskCrops, area: tuple[float, float, float, float]) -> MaskCrops:
    """What is left of the masks inside (x1, y1, x2, y2) of the example, to whole pixels of the original."""
    x1, y1, x2, y2 = area
    corners = torch.tensor([[x1, y1, 1.0], [x2, y2, 1.0]])
    limits = crops.affine @ corners.T  # (N, 2, 2): x, y of both corners
    low, high = limits.amin(dim=2), limits.amax(dim=2)
    # A thousandth of a pixel of slack: a border on a whole pixel stays there whatever the rounding.
    first = torch.maximum((low + 1e-3).floor().long(), crops.windows[:, :2])
    last = torch.minimum((high - 1e-3).ceil().long(), crops.windows[:, :2] + crops.windows[:, 2:])
    kept = torch.cat([first, (last - first).clamp(min=0)], dim=1)
    kept[(kept[:, 2:] == 0).any(dim=1), 2:] = 0
    if torch.equal(kept, crops.windows):
        return crops
    pieces = []
    for index, (left, top, width, height) in enumerate(kept.tolist()):
        x, y = left - int(crops.windows[index, 0]), top - int(crops.windows[index, 1])
        pieces.append(window(crops, index)[y : y + height, x : x + width] if width else torch.zeros(0))
    return _joined(pieces, kept, crops.affine)


def boxes_of(crops: MaskCrops) -> Tensor:
    """(N, 4) float32, the tight box of every mask in pixels of the example; zeros where nothing is left."""
    found = []
    for index, (left, top, width, height) in enumerate(crops.windows.tolist()):
        bits = window(crops, index)
        rows = torch.nonzero(bits.any(dim=1)).flatten() if width and height else torch.zeros(0)
        if len(rows) == 0:
            found.append([0.0, 0.0, 0.0, 0.0])
            continue
        columns = torch.nonzero(bits.any(dim=0)).flatten()
        low = (left + int(columns[0]), top + int(rows[0]))
        found.append([*low, left + int(columns[-1]) + 1.0, top + int(rows[-1]) + 1.0])
    original = torch.tensor(found).reshape(-1, 2, 2)  # (N, corner, x or y)
    linear, shift = crops.affine[:, :, :2], crops.affine[:, :, 2]
    example = (original - shift[:, None]) @ torch.linalg.inv(linear).mT
    boxes = torch.cat([example.amin(dim=1), example.amax(dim=1)], dim=1)
    return torch.where((original[:, 0] == original[:, 1]).all(dim=1)[:, None], 0.0, boxes)


def erased(
    crops: MaskCrops, boxes: Tensor, cover: MaskCrops, cover_boxes: Tensor
) -> tuple[MaskCrops, Tensor]:
    """Masks without what other masks of the same example, lying above them, hide.

    Args:
        crops: the N masks below.
        boxes: (N, 4) their boxes.
        cover: the masks above.
        cover_boxes: theirs.

    Returns:
        The masks, and (N,) bool: which of them lost something.
    """
    low = torch.maximum(boxes[:, None, :2], cover_boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], cover_boxes[None, :, 2:])
    changed = torch.zeros(len(boxes), dtype=torch.bool)
    bits = crops.bits.clone()
    result = crops._replace(bits=bits)
    for below, above in torch.nonzero((high > low).all(dim=2)).tolist():
        left, top, width, height = crops.windows[below].tolist()
        if width == 0:
            continue
        one = select(cover, torch.tensor([above]))
        # The window is looked at from the original pixels of the mask below, so the map is composed.
        square = torch.cat([crops.affine[below], torch.tensor([[0.0, 0.0, 1.0]])])
        there = moved(one, torch.linalg.inv(square)[:2])
        area = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
        hidden = sample(there, torch.zeros(1, dtype=torch.int64), area, (height, width))[0] >= 0.5
        view = window(result, below)
        changed[below] |= bool((view[hidden] > 0).any())
        view[hidden] = 0
    return result, changed


def _joined(windows: Sequence[Tensor], corners: Tensor, affine: Tensor) -> MaskCrops:
    lengths = corners[:, 2] * corners[:, 3]
    parts = [part.reshape(-1).to(torch.uint8) for part in windows]
    bits = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.uint8)
    return MaskCrops(bits, lengths.cumsum(0) - lengths, corners, affine)
