"""Transforms of a picture together with its label map: one resampling, whatever is asked for.

The picture is resampled bilinearly, and antialiased where it shrinks, as in prediction; the map by the
nearest pixel; the weights of the pixels' losses bilinearly. What comes from outside the picture is 0, in the
map 255, ignored. Pixel (row, column) covers [column, column + 1] x [row, row + 1]. Every function is pure;
the dice are thrown in `ocellus.data.label_examples`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate
from torch.nn.functional import pad as padded

from ocellus.data import transforms
from ocellus.values.segmentation import IGNORED


class Labelled(NamedTuple):
    """A picture and the class of each of its pixels."""

    image: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    labels: Tensor  # (H, W) uint8, 255 ignored
    weights: Tensor | None = None  # (h, w) float32 of the pixels' losses, of the same area, in its own pixels

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
    (top, bottom), (left, right) = _spans(example.size, window)
    weights = example.weights
    if weights is not None:
        rows, columns = _spans(shape(weights), window)
        weights = weights[slice(*rows), slice(*columns)]
    part = Labelled(example.image[:, top:bottom, left:right], example.labels[top:bottom, left:right], weights)
    return resize(part, window.size)


def _spans(size: tuple[int, int], window: Window) -> list[tuple[int, int]]:
    """First and last pixel, exclusive, of the window in (H, W) as they were before resizing, by axis."""
    spans = []
    for axis in (0, 1):
        ratio = size[axis] / window.scaled[axis]
        length = min(max(round(window.size[axis] * ratio), 1), size[axis])
        first = min(round((window.top, window.left)[axis] * ratio), size[axis] - length)
        spans.append((first, first + length))
    return spans


def resize(example: Labelled, size: tuple[int, int]) -> Labelled:
    """To (H, W): bilinear and antialiased, the map by the nearest pixel's centre, the weights bilinearly."""
    weights = example.weights
    if weights is not None and shape(weights) != size:
        weights = interpolate(weights[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    if size == example.size:
        return example._replace(weights=weights)
    return Labelled(resampled(example.image, size), resized_labels(example.labels, size), weights)


def resized_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) classes to `size`, by the nearest pixel's centre."""
    if size == shape(labels):
        return labels
    rows, columns = (nearest(old, new) for old, new in zip(shape(labels), size, strict=True))
    resized = labels.numpy()[rows.numpy()][:, columns.numpy()]  # NumPy's is eight times faster here
    return torch.from_numpy(resized)


def resampled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) to (C, *size), bilinear; where it shrinks, each pixel is the mean of all that it covers."""
    smaller = size[0] < image.shape[1] or size[1] < image.shape[2]
    return interpolate(
        image[None].contiguous(), size=size, mode="bilinear", align_corners=False, antialias=smaller
    )[0]


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
    # (h, w) places in the picture, 0 to 1
    across = (cosine * x - sine * y + (window.left + width / 2)) / window.scaled[1]
    down = (sine * x + cosine * y + (window.top + height / 2)) / window.scaled[0]
    image = _fetched(example.image, down, across, scaled=window.scaled)
    if example.image.dtype == torch.uint8:
        image = image.round_().to(torch.uint8)
    weights = example.weights
    if weights is not None:
        weights = _fetched(weights[None], down, across, scaled=shape(weights))[0]
    inside = (across >= 0) & (across < 1) & (down >= 0) & (down < 1)
    row = (down * full_height).long().clamp_(0, full_height - 1)
    column = (across * full_width).long().clamp_(0, full_width - 1)
    labels = torch.from_numpy(example.labels.numpy().reshape(-1)[(row * full_width + column).numpy()])
    return Labelled(image, labels.masked_fill_(~inside, IGNORED), weights)


def _fetched(values: Tensor, down: Tensor, across: Tensor, *, scaled: tuple[int, int]) -> Tensor:
    """(C, h, w) float: (C, H, W) values at (h, w) places, bilinear, 0 outside.

    Only what the places touch is looked at; it is shrunk first where all of it, resized, would be smaller.

    Args:
        values: where to look.
        down: from 0 at the top to 1 at the bottom.
        across: from 0 at the left to 1 at the right.
        scaled: (H, W) of all of it, resized.
    """
    spans, size = [], []
    for places, length, wanted in zip((down, across), values.shape[1:], scaled, strict=True):
        ratio = min(wanted / length, 1.0)
        first, last = _reach(places * length, length, beside=math.ceil(2 / ratio))
        spans.append((first, last))
        size.append(max(round((last - first) * ratio), 1))
    (top, bottom), (left, right) = spans
    part = values[:, top:bottom, left:right]
    if size != [bottom - top, right - left]:
        part = resampled(part, (size[0], size[1]))
    grid = torch.stack(
        [
            (across * values.shape[2] - left) * (2 / (right - left)) - 1,
            (down * values.shape[1] - top) * (2 / (bottom - top)) - 1,
        ],
        dim=-1,
    )
    return grid_sample(part[None].float(), grid[None], mode="bilinear", align_corners=False)[0]


def _reach(places: Tensor, length: int, *, beside: int) -> tuple[int, int]:
    """First and last pixel, exclusive, that lie at most so many pixels beside (h, w) places; inside it."""
    first = min(max(int(places.min()) - beside, 0), length - 1)
    return first, max(min(int(places.max()) + 1 + beside, length), first + 1)


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
    image, labels, weights = example
    return Labelled(image.flip(2), labels.flip(1), None if weights is None else weights.flip(1))


def flip_vertical(example: Labelled) -> Labelled:
    """Mirrored top to bottom."""
    image, labels, weights = example
    return Labelled(image.flip(1), labels.flip(0), None if weights is None else weights.flip(0))


def turn(example: Labelled, quarters: int) -> Labelled:
    """So many quarter turns counterclockwise."""
    image, labels, weights = example
    return Labelled(
        image.rot90(quarters, (1, 2)),
        labels.rot90(quarters, (0, 1)),
        None if weights is None else weights.rot90(quarters, (0, 1)),
    )


def pad(example: Labelled, size: tuple[int, int]) -> Labelled:
    """To at least (H, W), to the right and below; the weights are of the picture's size."""
    height, width = (max(side, wanted) for side, wanted in zip(example.size, size, strict=True))
    if (height, width) == example.size:
        return example
    padding = (0, width - example.size[1], 0, height - example.size[0])
    weights = example.weights
    return Labelled(
        padded(example.image, padding),
        padded(example.labels, padding, value=IGNORED),
        None if weights is None else padded(weights, padding),
    )


def shape(values: Tensor) -> tuple[int, int]:
    """(H, W) of (H, W) values."""
    return int(values.shape[0]), int(values.shape[1])


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
