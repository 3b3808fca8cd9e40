"""Bicubic resizing as MATLAB's `imresize` does it, which is how low-resolution test pictures are made.

Pillow, OpenCV and torch resize otherwise, and a super-resolution network trained on their pictures is judged
on pictures of another kind. Here:

- the kernel is Keys' cubic with a = -1/2 (Keys 1981, equation 8), two pixels to each side;
- down-scaling by s stretches it by 1/s, so that what is finer than the new grid is averaged away (antialias);
- pixel centres lie at half integers: output i looks at (i + 1/2) / s - 1/2 in the input;
- beyond the border the picture is mirrored, its edge pixels included; versions before 2013 or so repeated the
  edge pixel instead, and the published small pictures of Set5 and Set14 were made by those (`border`);
- the weights of each output pixel are divided by their sum;
- a picture of 8 bits is rounded to 8 bits after the rows and again after the columns (`low_resolution`).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 64  # output pixels that are computed by one product; small, as each looks at few input pixels
HALF = 1e-4  # of a grey level: sums in single precision must not fall below a half that they are


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2; 0 from a distance of 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=256)
def weights(
    before: int, after: int, *, scale: float, antialias: bool = True, border: str = "mirror"
) -> Tensor:
    """How much each input pixel of a line counts for each output pixel.

    Args:
        before: pixels of the line.
        after: pixels that it shall have.
        scale: output pixels per input pixel.
        antialias: stretch the kernel where the line becomes shorter.
        border: what lies beyond the ends: "mirror" or "edge".

    Returns:
        (after, before) float32; each row sums to 1.
    """
    stretch = min(scale, 1.0) if antialias else 1.0
    centres = (np.arange(after) + 0.5) / scale - 0.5
    reach = 2 / stretch
    taps = np.floor(centres - reach).astype(np.int64)[:, None] + np.arange(ceil(2 * reach) + 2)
    values = cubic(stretch * (centres[:, None] - taps))  # (after, taps)
    values /= values.sum(1, keepdims=True)
    if border == "edge":
        columns = taps.clip(0, before - 1)
    else:
        mirrored = taps % (2 * before)  # 0 1 2 2 1 0 0 1 2 ...
        columns = np.where(mirrored < before, mirrored, 2 * before - 1 - mirrored)
    table = np.zeros((after, before))
    np.add.at(table, (np.arange(after)[:, None], columns), values)
    return torch.from_numpy(table.astype(np.float32))


def resize_bicubic(
    images: Tensor,
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
    border: str = "mirror",
) -> Tensor:
    """Pictures larger or smaller, equal to MATLAB's `imresize(picture, scale)` of floating point pictures.

    The result may leave the range of the input by a little, as the kernel has negative lobes.

    Args:
        images: (..., H, W) floats; leading dimensions are kept.
        scale: output pixels per input pixel, of both sides; a side of n becomes ceil(scale * n).
        size: (H, W) wanted instead; each side has its own scale.
        antialias: average where the picture becomes smaller; MATLAB's default.
        border: what lies beyond the picture: "mirror" or "edge" (its last pixel, repeated).

    Returns:
        (..., H', W') of the same type.

    Raises:
        ValueError: neither or both of scale and size, or one that is not positive.
    """
    for table, turned in _tables(images, scale, size=size, antialias=antialias, border=border):
        images = _apply(table, images, turned=turned)
    return images.contiguous()


def low_resolution(images: Tensor, factor: int, *, border: str = "edge") -> Tensor:
    """Pictures made `factor` times smaller as MATLAB does it with 8-bit pictures.

    With the "edge" border it gives the published small pictures of Set5 and Set14 exactly, every pixel.

    Args:
        images: (..., H, W) in [0, 1], sides divisible by the factor.
        factor: how many times smaller.
        border: as in `resize_bicubic`.

    Returns:
        (..., H / factor, W / factor) in [0, 1], multiples of 1/255.
    """
    size = (images.shape[-2] // factor, images.shape[-1] // factor)
    bytes_ = images * 255
    for table, turned in _tables(images, None, size=size, antialias=True, border=border):
        bytes_ = _apply(table, bytes_, turned=turned)
        bytes_ = (bytes_ + 0.5 + HALF).floor_().clamp_(0, 255)  # halves go up, as MATLAB rounds them
    return bytes_.div_(255).contiguous()


def _tables(
    images: Tensor, scale: float | None, *, size: tuple[int, int] | None, antialias: bool, border: str
) -> list[tuple[Tensor, bool]]:
    """The products to take, in order, and whether each is along columns: the side that shrinks more is first,
    rows where both shrink alike."""
    if (scale is None) == (size is None):
        raise ValueError("give either a scale or a size")
    if border not in ("mirror", "edge"):
        raise ValueError(f"border is 'mirror' or 'edge', not {border!r}")
    H, W = images.shape[-2:]
    if size is None:
        factors = (float(scale or 0), float(scale or 0))
        size = (ceil(H * factors[0] - 1e-9), ceil(W * factors[1] - 1e-9))
    else:
        factors = (size[0] / H, size[1] / W)
    if min(size) < 1 or min(factors) <= 0:
        raise ValueError(f"pictures of {H}x{W} cannot become {size[0]}x{size[1]}")
    tables = [
        weights(before, after, scale=factor, antialias=antialias, border=border).to(
            images.device, images.dtype
        )
        for before, after, factor in zip((H, W), size, factors, strict=True)
    ]
    turns = (False, True) if factors[0] <= factors[1] else (True, False)
    return [(tables[int(turned)], turned) for turned in turns]


def _apply(table: Tensor, images: Tensor, *, turned: bool) -> Tensor:
    """One product, along rows or along columns."""
    return _along_rows(table, images.mT).mT if turned else _along_rows(table, images)


def _along_rows(table: Tensor, images: Tensor) -> Tensor:
    """Weighted sums of rows, in blocks of output rows that look only at the rows they need."""
    after = len(table)
    if after <= 2 * BLOCK:
        return torch.matmul(table, images)
    blocks = []
    for start in range(0, after, BLOCK):
        part = table[start : start + BLOCK]
        used = part.any(0).nonzero()
        first, last = int(used[0]), int(used[-1]) + 1
        blocks.append(torch.matmul(part[:, first:last], images[..., first:last, :]))
    return torch.cat(blocks, -2)
