"""Parts of a picture at a wanted size, for networks that look at all pictures at one size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

TRIES = 10
"""How often a window is thrown that does not fit, before the largest in the middle is taken."""


class Window(NamedTuple):
    """A part of a picture, in its pixels."""

    top: int
    left: int
    height: int
    width: int


def middle(image: Tensor, *, short_side: int, crop: int) -> Tensor:
    """The picture resized, and the square in its middle; as torchvision's Resize and CenterCrop.

    Args:
        image: (C, H, W) uint8, or float32 in [0, 1].
        short_side: pixels of the shorter side; the other follows, rounded down. 0: not resized.
        crop: side of the square, at most `short_side`; 0: the whole picture.

    Returns:
        (C, h, w) of the same type.
    """
    height, width = image.shape[1:]
    if short_side:
        long = int(short_side * max(height, width) / min(height, width))
        size = (short_side, long) if height <= width else (long, short_side)
        image = resized(image, size)
        height, width = size
    if not crop:
        return image
    top, left = round((height - crop) / 2), round((width - crop) / 2)
    return image[:, top : top + crop, left : left + crop]


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """To (h, w), bilinear and antialiased as Pillow does: uint8 within one grey level of it.

    Args:
        image: (C, H, W) uint8 or float32; which it stays.
        size: h and w.
    """
    if tuple(image.shape[1:]) == size:
        return image
    return interpolate(image[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def random_window(
    size: tuple[int, int], *, areas: tuple[float, float], aspect: float, dice: np.random.Generator
) -> Window:
    """A part of a picture, of random area, shape and place; as torchvision's RandomResizedCrop.

    Args:
        size: H and W of the picture.
        areas: least and largest share of its area.
        aspect: most that the part is wider than high, or the reverse; evenly thrown in the logarithm.
        dice: to throw.
    """
    height, width = size
    for _ in range(TRIES):
        area = height * width * dice.uniform(*areas)
        shape = math.exp(dice.uniform(-math.log(aspect), math.log(aspect)))
        wide, tall = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = (int(dice.integers(room + 1)) for room in (height - tall, width - wide))
            return Window(top, left, tall, wide)
    tall, wide = min(height, round(width * aspect)), min(width, round(height * aspect))
    return Window((height - tall) // 2, (width - wide) // 2, tall, wide)
