"""Masks, boxes, lines and points put onto a Pillow picture, with soft edges where they are not upright."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocellus.values import Masks, runs

Color = tuple[int, int, int]
Coverage = NDArray[np.uint8]
DARK: Color = (18, 20, 24)


def mask_window(masks: Masks, index: int, *, scale: float) -> tuple[NDArray[np.bool_], int, int]:
    """One mask in the pixels of a picture `scale` times as large, only where it is.

    Args:
        masks: of the original picture.
        index: which one.
        scale: pixels of the drawn picture to one of the original.

    Returns:
        (window, left, top): (h, w) bool and where it lies in the drawn picture; 0x0 where the mask is empty.
    """
    height, width = masks.size
    left, top, right, bottom = runs.bounds(masks.run_lengths(index), height)
    if right <= left:
        return np.zeros((0, 0), bool), 0, 0
    if scale == 1:
        return masks.window(index, (left, top, right, bottom)), left, top
    margin = ceil(2 / scale) + 1  # so that resampling sees the background around the mask
    x1, y1 = max(left - margin, 0), max(top - margin, 0)
    x2, y2 = min(right + margin, width), min(bottom + margin, height)
    window = Image.fromarray(masks.window(index, (x1, y1, x2, y2)).astype(np.uint8) * 255)
    left, top = ceil(x1 * scale), ceil(y1 * scale)
    right = round(width * scale) if x2 == width else floor(x2 * scale)
    bottom = round(height * scale) if y2 == height else floor(y2 * scale)
    if right <= left or bottom <= top:
        return np.zeros((0, 0), bool), 0, 0
    source = (left / scale - x1, top / scale - y1, right / scale - x1, bottom / scale - y1)
    inside = (max(source[0], 0), max(source[1], 0), min(source[2], x2 - x1), min(source[3], y2 - y1))
    resized = window.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=inside)
    return np.asarray(resized) > 127, left, top


def inner(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    """The mask without a border of some pixels; in turn 4- and 8-connected, which keeps corners round."""
    for step in range(thickness):
        padded = np.pad(mask, 1)
        if step % 2:
            rows = padded[:-2] & padded[1:-1] & padded[2:]
            mask = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
        else:
            mask = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask


def paint_mask(
    canvas: Image.Image,
    window: NDArray[np.bool_],
    position: tuple[int, int],
    *,
    color: Color,
    fill: float,
    thickness: int,
    stripes: int = 0,
) -> None:
    """Fill a mask translucently and outline it within its own pixels.

    Args:
        canvas: drawn on.
        window: (h, w) bool.
        position: (left, top) of the window.
        color: RGB.
        fill: opacity of the inside, 0 to 1.
        thickness: of the outline, in pixels.
        stripes: width in pixels of diagonal stripes instead of an even fill; 0: even.
    """
    if window.size == 0:
        return
    inside = inner(window, thickness)
    coverage = np.where(inside, np.uint8(round(fill * 255)), np.uint8(0))
    if stripes:
        rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
        coverage = coverage * (((rows + columns) // stripes) % 2).astype(np.uint8)
    coverage[window & ~inside] = 235
    canvas.paste(color, position, Image.fromarray(coverage))


def paint_box(
    canvas: Image.Image,
    box: tuple[float, float, float, float],
    *,
    color: Color,
    thickness: int,
    opacity: float = 1.0,
) -> None:
    """A box's border, inside it; where the box leaves the picture, its border runs along the edge."""
    width, height = canvas.size
    x1, x2 = (min(max(round(value), 0), width) for value in (box[0], box[2]))
    y1, y2 = (min(max(round(value), 0), height) for value in (box[1], box[3]))
    if x2 <= x1 or y2 <= y1:
        return
    t = min(thickness, max(1, (x2 - x1) // 2), max(1, (y2 - y1) // 2))
    for part in (
        (x1, y1, x2, y1 + t),
        (x1, y2 - t, x2, y2),
        (x1, y1 + t, x1 + t, y2 - t),
        (x2 - t, y1 + t, x2, y2 - t),
    ):
        if part[2] > part[0] and part[3] > part[1]:
            coverage = Image.new("L", (part[2] - part[0], part[3] - part[1]), round(opacity * 255))
            canvas.paste(color, part, coverage)


def paint_line(
    canvas: Image.Image,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    color: Color,
    radius: float,
    opacity: float = 1.0,
) -> None:
    """A line with round ends, or a disc where both ends are one point; its edge is soft over one pixel.

    Args:
        canvas: drawn on.
        start: x, y in pixels, a pixel's centre is at a half.
        end: the other end.
        color: RGB.
        radius: half the line's width, in pixels.
        opacity: 0 to 1.
    """
    width, height = canvas.size
    reach = radius + 1
    left, right = (
        max(0, floor(min(start[0], end[0]) - reach)),
        min(width, ceil(max(start[0], end[0]) + reach)),
    )
    top, bottom = (
        max(0, floor(min(start[1], end[1]) - reach)),
        min(height, ceil(max(start[1], end[1]) + reach)),
    )
    if right <= left or bottom <= top:
        return
    y, x = np.ogrid[top:bottom, left:right]
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = max(along_x**2 + along_y**2, 1e-9)
    x, y = x + 0.5 - start[0], y + 0.5 - start[1]
    share = np.clip((x * along_x + y * along_y) / length, 0, 1)
    distance = np.hypot(x - share * along_x, y - share * along_y)
    coverage = (np.clip(radius + 0.5 - distance, 0, 1) * opacity * 255).astype(np.uint8)
    canvas.paste(color, (left, top), Image.fromarray(coverage))
