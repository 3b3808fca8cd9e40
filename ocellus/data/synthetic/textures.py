"""Real textures, noise and light: what grounds and surfaces are made of."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Dice = np.random.Generator
Floats = NDArray[np.float32]
PHOTOGRAPHS = ("brick", "grass", "gravel")
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@cache
def photograph(name: str) -> Floats:
    """(H, W) grey, mean 0 and standard deviation 1; from the files that scikit-image carries with it."""
    from skimage import data

    pixels = getattr(data, name)().astype(np.float32)
    return np.asarray((pixels - pixels.mean()) / pixels.std(), np.float32)


def scaled(values: Floats, size: tuple[int, int]) -> Floats:
    """(H, W) array resampled smoothly to another size."""
    resized = Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32)


def texture(size: tuple[int, int], dice: Dice) -> Floats:
    """A cut-out of one of the photographs, at 0.5 to 2 times its size, flipped and turned; about 0 +- 1."""
    source = photograph(PHOTOGRAPHS[int(dice.integers(len(PHOTOGRAPHS)))])
    zoom = 2 ** dice.uniform(-1, 1)
    height, width = (min(max(int(side / zoom), 2), 500) for side in size)
    top = int(dice.integers(source.shape[0] - height + 1))
    left = int(dice.integers(source.shape[1] - width + 1))
    part = source[top : top + height, left : left + width]
    part = part[:: dice.choice([-1, 1]), :: dice.choice([-1, 1])]
    if dice.random() < 0.5:
        part = part.T
    return scaled(np.ascontiguousarray(part), size)


def clouds(size: tuple[int, int], dice: Dice, *, coarsest: int = 2, octaves: int = 5) -> Floats:
    """Noise whose detail is half as strong at half the size; about 0 +- 1.

    Args:
        size: (H, W).
        dice: the noise.
        coarsest: cells of the largest structure along the longer side.
        octaves: how many times it is halved.
    """
    total = np.zeros(size, np.float32)
    fade = dice.uniform(0.4, 0.8)
    for octave in range(octaves):
        cells = coarsest * 2**octave
        if cells > max(size):
            break
        grid = tuple(max(round(cells * side / max(size)) + 1, 2) for side in size)
        noise = dice.standard_normal(grid, np.float32)
        total += fade**octave * scaled(noise, size)
    return np.asarray(total / max(float(total.std()), 1e-6), np.float32)


def slope(size: tuple[int, int], dice: Dice) -> Floats:
    """A plane from -1 to 1 in any direction: light from one side."""
    rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j].astype(np.float32)
    angle = dice.uniform(0, 2 * np.pi)
    return np.asarray(rows * np.sin(angle) + columns * np.cos(angle), np.float32)


def tint(lightness: float, strength: float, dice: Dice) -> Floats:
    """(3,) RGB of a given lightness; strength 0 is grey, 1 as colourful as it gets."""
    direction = dice.standard_normal(3).astype(np.float32)
    direction -= direction @ LUMA
    direction /= max(float(np.abs(direction).max()), 1e-6)
    room = min(lightness, 1 - lightness) * 1.6
    return np.asarray(np.clip(lightness + strength * room * direction, 0, 1), np.float32)


def ground(size: tuple[int, int], dice: Dice, *, lightness: float, color: float) -> Floats:
    """(H, W, 3) what things lie on: a photographed texture, clouds, or a plain sheet, unevenly lit."""
    kind = dice.random()
    if kind < 0.4:
        detail = texture(size, dice) * dice.uniform(0.03, 0.2)
    elif kind < 0.6:
        detail = clouds(size, dice, coarsest=int(dice.integers(1, 16))) * dice.uniform(0.02, 0.12)
    else:
        detail = clouds(size, dice, coarsest=1, octaves=3) * dice.uniform(0.0, 0.05)
    values = lightness + lightness * slope(size, dice) * dice.uniform(0, 0.5) + detail * (0.3 + lightness)
    base = tint(lightness, color, dice)
    return np.asarray(values[..., None] * (base / max(lightness, 1e-3)), np.float32)
