"""Transforms of a picture together with its label map: one resampling, whatever is asked for.

The picture is resampled bilinearly, the map by the nearest pixel; what comes from outside the picture is 0 in
the one and 255, ignored, in the other. Pixel (row, column) covers [column, column + 1] x [row, row + 1].
Every function is pure; the dice are thrown in `ocellus.data.label_examples`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from ocellus.data import transforms
from ocellus.values.segmentation import IGNORED


class Labelled(NamedTuple):
    """A picture and the class of each of its pixels."""

    image: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    labels: Tensor  # (H, W) uint8, 255 ignored

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])


class Window(NamedTuple):
    """A part of a picture that was resized."""

    scaled: tuple[int, int]  # (H, W) of the whole picture after it was resized
    top: int
    left: int
    size: tuple[int, int]  # (h, w) of the part


def cut(example: Labelled, window: Window) -> Labelled:
    """The part of the resized picture, made without resizing the rest.

    The part is taken at whole pixels of the original, the same for picture and map, so that it may lie up to
    half an original pixel beside the part of the picture resized as a whole.
    """
    spans = []
    for axis in (0, 1):
        ratio = example.size[axis] / window.scaled[axis]
        length = min(max(round(window.size[axis] * ratio), 1), example.size[axis])
        first = min(round((window.top, window.left)[axis] * ratio), example.size[axis] - length)
        spans.append((first, first + length))
    (top, bottom), (left, right) = spans
    part = Labelled(example.image[:, top:bottom, left:right], example.labels[top:bottom, left:right])
    return resize(part, window.size)


def resize(example: Labelled, size: tuple[int, int]) -> Labelled:
    """To (H, W): bilinear without antialiasing, the map by the nearest pixel's centre."""
    if size == example.size:
        return example
    image = interpolate(example.image[None].contiguous(), size=size, mode="bilinear", align_corners=False)[0]
    rows, columns = (nearest(old, new) for old, new in zip(example.size, size, strict=True))
    labels = example.labels.numpy()[rows.numpy()][:, columns.numpy()]  # NumPy's is eight times faster here
    return Labelled(image, torch.from_numpy(labels))


def nearest(old: int, new: int) -> Tensor:
    """(new,) int64: for each of `new` pixels the one of `old` whose area holds its centre."""
    return ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)).long().clamp_(max=old - 1)


def warp(example: Labelled, window: Window, *, degrees: float, displacement: Tensor | None) -> Labelled:
    """The part of the resized picture, turned about its centre and bent.

    Args:
        example: at its original size.
        window: the part of the picture as resized.
        degrees: counterclockwise.
        displacement: (2, h, w) x and y by which each pixel is fetched from beside its place; None: nowhere.
    """
    (height, width), (full_height, full_width) = window.size, example.size
    rows = torch.arange(height, dtype=torch.float32) + 0.5 - height / 2
    columns = torch.arange(width, dtype=torch.float32) + 0.5 - width / 2
    y, x = rows[:, None].expand(height, width), columns.expand(height, width)  # from the part's centre
    if displacement is not None:
        x, y = x + displacement[0], y + displacement[1]
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    across = (cosine * x - sine * y + (window.left + width / 2)) * (full_width / window.scaled[1])
    down = (sine * x + cosine * y + (window.top + height / 2)) * (full_height / window.scaled[0])
    # (h, w) places in the original; only what they touch of it is made float
    first_row, last_row = _reach(down, full_height)
    first_column, last_column = _reach(across, full_width)
    source = example.image[:, first_row:last_row, first_column:last_column]
    grid = torch.stack(
        [
            (across - first_column) * (2 / (last_column - first_column)) - 1,
            (down - first_row) * (2 / (last_row - first_row)) - 1,
        ],
        dim=-1,
    )
    image = grid_sample(source[None].float(), grid[None], mode="bilinear", align_corners=False)[0]
    if example.image.dtype == torch.uint8:
        image = image.round_().to(torch.uint8)
    inside = (across >= 0) & (across < full_width) & (down >= 0) & (down < full_height)
    place = down.long().clamp_(0, full_height - 1) * full_width + across.long().clamp_(0, full_width - 1)
    labels = torch.from_numpy(example.labels.numpy().reshape(-1)[place.numpy()])
    return Labelled(image, labels.masked_fill_(~inside, IGNORED))


def _reach(places: Tensor, length: int) -> tuple[int, int]:
    """First and last pixel, exclusive, that bilinear sampling at (h, w) places touches; inside it."""
    first = min(max(int(places.min()) - 1, 0), length - 1)
    return first, max(min(int(places.max()) + 2, length), first + 1)


def smooth_displacement(
    size: tuple[int, int], *, spacing: float, deviation: float, dice: np.random.Generator
) -> Tensor:
    """(2, H, W) float32 random displacements that change smoothly: x, then y.

    Normal vectors on a coarse grid whose corners are the picture's, bicubically interpolated to every pixel
    (arXiv:1505.04597, section 3.1, with a grid of 3 x 3 and a deviation of 10 pixels).

    Args:
        size: (H, W).
        spacing: pixels between two nodes of the grid, about; at least 2 x 2 nodes are taken.
        deviation: standard deviation of the vectors' components at the nodes, in pixels.
        dice: to throw.
    """
    nodes = tuple(max(round(side / spacing), 1) + 1 for side in size)
    vectors = dice.normal(0.0, deviation, (1, 2, *nodes)).astype(np.float32)
    return interpolate(torch.from_numpy(vectors), size=size, mode="bicubic", align_corners=True)[0]


def flip(example: Labelled) -> Labelled:
    """Mirrored left to right."""
    return Labelled(example.image.flip(2), example.labels.flip(1))


def flip_vertical(example: Labelled) -> Labelled:
    """Mirrored top to bottom."""
    return Labelled(example.image.flip(1), example.labels.flip(0))


def turn(example: Labelled, quarters: int) -> Labelled:
    """So many quarter turns counterclockwise."""
    return Labelled(example.image.rot90(quarters, (1, 2)), example.labels.rot90(quarters, (0, 1)))


def pad(example: Labelled, size: tuple[int, int]) -> Labelled:
    """To at least (H, W), to the right and below."""
    height, width = (max(side, wanted) for side, wanted in zip(example.size, size, strict=True))
    if (height, width) == example.size:
        return example
    image = example.image.new_zeros(example.image.shape[0], height, width)
    labels = example.labels.new_full((height, width), IGNORED)
    image[:, : example.size[0], : example.size[1]] = example.image
    labels[: example.size[0], : example.size[1]] = example.labels
    return Labelled(image, labels)


def color(image: Tensor, *, brightness: float, contrast: float, saturation: float) -> Tensor:
    """Factors of brightness and of contrast about the mean; of saturation too for a (3, H, W) picture.

    (C, H, W) uint8 gives uint8, float in [0, 1] gives float.
    """
    if image.shape[0] == 3:
        return transforms.color(image, brightness=brightness, contrast=contrast, saturation=saturation)
    values = image.float()
    mean = values.mean(dim=(1, 2), keepdim=True)  # (C, 1, 1): channels need not have one unit
    values = (brightness * (contrast * (values - mean) + mean)).clamp_(
        0, 255 if image.dtype == torch.uint8 else 1
    )
    return values.round_().to(torch.uint8) if image.dtype == torch.uint8 else values
