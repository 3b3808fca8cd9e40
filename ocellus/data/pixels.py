"""Pixels of every kind to (3, H, W) uint8 RGB: the arithmetic behind `ocellus.data.images`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

PIXELS_AT_ONCE = 1 << 22
DEEP = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"))


def from_pillow(image: Image.Image) -> Tensor:
    """(3, H, W) uint8 RGB of an opened picture, a strip of rows at a time to save memory.

    Raises:
        ValueError: the values are of a range that is no picture's.
        OSError: the file is truncated or broken.
    """
    image.load()
    if image.mode in DEEP:
        return from_array(np.asarray(image))
    width, height = image.size
    pixels = torch.empty(3, height, width, dtype=torch.uint8)
    rows = max(1, PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom)) if rows < height else image
        if "transparency" in image.info or strip.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
            strip.info.update(image.info)
            array = _over_white(np.asarray(strip.convert("RGBA")))
        else:
            array = np.asarray(strip.convert("RGB"))
        pixels[:, top:bottom] = torch.from_numpy(np.require(array, requirements=["W"])).permute(2, 0, 1)
    return pixels


def from_array(array: NDArray[Any]) -> Tensor:
    """(3, H, W) uint8 RGB of an array (H, W) or (H, W, 1, 3 or 4).

    Raises:
        ValueError: another shape, type or range of values; the message says which and what is wanted.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        wanted = "wanted is an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W)"
        raise ValueError(f"no picture has the shape {array.shape}; {wanted}")
    eight = _eight_bits(array)
    if eight.shape[2] == 4:
        eight = _over_white(eight)
    return (
        torch.from_numpy(np.require(eight, requirements=["C", "W"]))
        .permute(2, 0, 1)
        .expand(3, -1, -1)
        .contiguous()
    )


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """(3, H, W) turned as an EXIF orientation 1..8 says it is to be displayed."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 2)
    # After the transposition of 5..8: 5 stays, 6 is mirrored, 7 upside down and mirrored, 8 upside down.
    axes = {1: (), 2: (2,), 3: (1, 2), 4: (1,), 5: (), 6: (2,), 7: (1, 2), 8: (1,)}[orientation]
    return pixels.flip(axes).contiguous() if axes else pixels.contiguous()


def _eight_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The same values in [0, 255]."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # NaN too
            raise ValueError(
                f"a picture of fractions holds [0, 1], this one [{low:g}, {high:g}]; divide by its white"
            )
        return np.asarray(array * 255 + 0.5).astype(np.uint8)
    if np.issubdtype(array.dtype, np.integer):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 65535:
            raise ValueError(
                f"a picture holds integers in [0, 65535], this one [{low}, {high}]; scale it first"
            )
        white = 4095 if high <= 4095 else 65535
        table = np.clip(np.arange(65536) * 255 / white + 0.5, 0, 255).astype(np.uint8)
        return table[array.astype(np.uint16, copy=False)]
    raise ValueError(
        f"no picture is made of {array.dtype}; wanted is uint8, uint16, bool, or float in [0, 1]"
    )


def _over_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) laid over white, (H, W, 3): colour * a + 255 * (1 - a), rounded."""
    opaque = array[:, :, 3:].astype(np.uint16)
    return ((array[:, :, :3] * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8)
