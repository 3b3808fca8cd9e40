"""Rings: closed outlines of a mask, and back. A pixel (row, column) covers [column, column+1] x [row, row+1].

A mask is what an odd number of rings enclose, so that a ring inside another is a hole and rings side by side
are separate parts. Rings traced from a mask run along pixel borders and give the same mask back, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]  # (n, 2) x, y; not closed: the last point joins the first


def trace(mask: NDArray[np.bool_], *, top: int = 0, left: int = 0) -> tuple[Ring, ...]:
    """The outlines of a mask along pixel borders, corners only.

    Args:
        mask: (h, w) bool, a window of a larger mask.
        top: row of the window's first row.
        left: column of the window's first column.

    Returns:
        Rings with the foreground on their right hand as seen on the screen (outer ones run clockwise). Parts
        that touch at a corner only stay separate rings.
    """
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = mask
    inner, above, before = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]
    # Directed unit steps between grid points: 0 right, 1 down, 2 left, 3 up; foreground on the right hand.
    step = np.zeros((height + 1, width + 1, 4), bool)
    horizontal, vertical = inner != above, inner != before
    step[:, :, 0] = horizontal & inner  # along the top of a foreground pixel
    step[:, 1:, 2] = (horizontal & ~inner)[:, :-1]  # along the bottom, backwards
    step[:, :, 3] = vertical & inner
    step[:, :, 3] = np.roll(step[:, :, 3], 1, axis=0)  # up the left side: starts one row lower
    step[:, :, 1] = vertical & ~inner  # down the right side
    remaining = {(int(y), int(x), int(d)) for y, x, d in np.argwhere(step)}
    moves = ((0, 1), (1, 0), (0, -1), (-1, 0))
    rings = []
    while remaining:
        y, x, direction = start = min(remaining)
        points = []
        while True:
            remaining.discard((y, x, direction))
            y, x = y + moves[direction][0], x + moves[direction][1]
            for turn in (1, 0, 3):  # right first: parts that touch at a corner are kept apart
                candidate = (y, x, (direction + turn) % 4)
                if candidate in remaining or candidate == start:
                    break
            else:
                raise AssertionError("an outline of a mask must close")
            if candidate[2] != direction:
                points.append((left + x, top + y))
            direction = candidate[2]
            if candidate == start:
                break
        rings.append(np.array(points, np.float64))
    return tuple(rings)


def fill(rings: Sequence[Ring], size: tuple[int, int]) -> tuple[NDArray[np.bool_], int, int]:
    """The pixels whose centre an odd number of rings enclose.

    Args:
        rings: outlines in pixels; they may leave the picture and cross themselves.
        size: (H, W) of the picture.

    Returns:
        (window, top, left): (h, w) bool and where it lies; everything outside the window is empty.
    """
    height, width = size
    starts = np.concatenate([np.asarray(ring, np.float64) for ring in rings]) if rings else np.zeros((0, 2))
    if len(starts) == 0:
        return np.zeros((0, 0), bool), 0, 0
    ends = np.concatenate([np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings])
    left, right = (int(np.clip(np.floor(v), 0, width)) for v in (starts[:, 0].min(), starts[:, 0].max() + 1))
    top, bottom = (int(np.clip(np.floor(v), 0, height)) for v in (starts[:, 1].min(), starts[:, 1].max() + 1))
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    # An edge crosses the centre lines y + 1/2 with low <= y + 1/2 < high.
    first = np.clip(np.ceil(low - 0.5), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(high - 0.5), top, bottom).astype(np.int64)
    count = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    a, b = starts[edge], ends[edge]
    crossing = a[:, 0] + (row + 0.5 - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    column = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64)
    toggles = np.zeros((bottom - top, right - left + 1), np.int32)
    np.add.at(toggles, (row - top, column - left), 1)
    return (np.cumsum(toggles, axis=1)[:, :-1] & 1).astype(bool), top, left


def area(ring: Ring) -> float:
    """Signed area of a ring in square pixels; positive where it runs clockwise on the screen (y down)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
