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
    flags = step.ravel()
    edges = np.flatnonzero(flags)
    point, direction = np.divmod(edges, 4)
    end = point + np.array((1, width + 1, -1, -width - 1))[direction]
    after = edges  # the edge that goes on from the end of each
    for turn in (3, 0, 1):  # right last, so that it wins: parts that touch at a corner are kept apart
        candidate = 4 * end + (direction + turn) % 4
        after = np.where(flags[candidate], candidate, after)
    following = np.searchsorted(edges, after)
    corner = direction[following] != direction
    y, x = np.divmod(end, width + 1)
    points = np.stack((left + x, top + y), axis=1).astype(np.float64)
    order, sizes = _cycles(following.tolist())
    kept = corner[order]
    lengths = (
        np.add.reduceat(kept, np.cumsum([0, *sizes[:-1]]), dtype=np.int64) if sizes else np.zeros(0, np.int64)
    )
    return tuple(np.split(points[order][kept], np.cumsum(lengths)[:-1])) if sizes else ()


def _cycles(following: list[int]) -> tuple[NDArray[np.int64], list[int]]:
    """The cycles of a permutation end to end, each from its smallest member on, and their lengths."""
    seen = bytearray(len(following))
    order: list[int] = []
    sizes = []
    for start in range(len(following)):
        if seen[start]:
            continue
        before, at = len(order), start
        while not seen[at]:
            seen[at] = 1
            order.append(at)
            at = following[at]
        sizes.append(len(order) - before)
    return np.array(order, np.int64), sizes


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
    # Every edge from its upper end, so that a seam walked there and back crosses each line at one place.
    down = (starts[:, 1] <= ends[:, 1])[:, None]
    starts, ends = np.where(down, starts, ends), np.where(down, ends, starts)
    # An edge crosses the centre lines y + 1/2 with low <= y + 1/2 < high.
    first = np.clip(np.ceil(starts[:, 1] - 0.5), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(ends[:, 1] - 0.5), top, bottom).astype(np.int64)
    count = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    a, b = starts[edge], ends[edge]
    crossing = a[:, 0] + (row + 0.5 - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    column = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64)
    rows, columns = bottom - top, right - left + 1
    toggles = np.bincount((row - top) * columns + column - left, minlength=rows * columns)
    parity = (toggles & 1).astype(np.uint8).reshape(rows, columns)
    return np.bitwise_xor.accumulate(parity, axis=1)[:, :-1].astype(bool), top, left


def area(ring: Ring) -> float:
    """Signed area of a ring in square pixels; positive where it runs clockwise on the screen (y down)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
