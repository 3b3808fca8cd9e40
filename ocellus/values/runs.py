"""Run lengths: a binary mask as the lengths of its alternating runs, column by column, background first.

The order is COCO's, so that a mask goes to and comes from its files without being decoded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int32]
MOST_GROUPS = 7  # of 5 bits, for the difference of two 32-bit counts


def encode(mask: NDArray[np.bool_], *, size: tuple[int, int], top: int = 0, left: int = 0) -> Counts:
    """Run lengths of a mask given only inside a window.

    Args:
        mask: (h, w) bool, the window.
        size: (H, W) of the whole mask, which is empty outside the window.
        top: first row of the window.
        left: first column of the window.

    Returns:
        (R,) int32 that sum to H * W; the first run is background and may be 0 long.
    """
    height, width = size
    rows, columns = mask.shape
    if rows == 0 or columns == 0:
        return np.array([height * width], np.int32)
    # A row of background below the window keeps the runs of neighbouring columns apart.
    padded = np.zeros((columns, rows + 1), np.int8)
    padded[:, :rows] = mask.T
    flat = padded.ravel()
    changes = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
    column, row = np.divmod(changes, rows + 1)
    positions = (left + column) * height + top + row
    # Where the window reaches from edge to edge, a run that ends a column goes on in the next: merge.
    starts, ends = positions[0::2], positions[1::2]
    apart = starts[1:] != ends[:-1]
    starts = starts[np.concatenate(([True], apart))] if len(starts) else starts
    ends = ends[np.concatenate((apart, [True]))] if len(ends) else ends
    borders = np.empty(2 * len(starts) + 2, np.int64)
    borders[0], borders[-1] = 0, height * width
    borders[1:-1:2], borders[2:-1:2] = starts, ends
    counts = np.diff(borders)
    return (counts[:-1] if len(counts) > 1 and counts[-1] == 0 else counts).astype(np.int32)


def decode(counts: Counts, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) bool from run lengths."""
    height, width = size
    values = (np.arange(len(counts)) & 1).astype(bool)
    return np.repeat(values, counts).reshape(width, height).T


def decode_window(
    counts: Counts, size: tuple[int, int], window: tuple[int, int, int, int]
) -> NDArray[np.bool_]:
    """The part of a mask inside a window (left, top, right, bottom), integer, inside the mask; (h, w) bool.

    Only the columns of the window are decoded.
    """
    height, _ = size
    left, top, right, bottom = window
    first, last = left * height, right * height
    ends = np.cumsum(counts, dtype=np.int64)
    low, high = np.searchsorted(ends, first, side="right"), np.searchsorted(ends, last, side="left")
    borders = np.clip(ends[low : high + 1], first, last)
    lengths = np.diff(borders, prepend=first)
    values = ((low + np.arange(len(lengths))) & 1).astype(bool)
    columns = np.repeat(values, lengths).reshape(right - left, height)
    return columns[:, top:bottom].T


def spans(counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the foreground runs start and end, as positions column by column; ends are exclusive."""
    ends = np.cumsum(counts, dtype=np.int64)
    starts = ends - counts
    return starts[1::2], ends[1::2]


def bounds(counts: Counts, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the foreground, right and bottom exclusive; zeros where it is empty."""
    starts, ends = spans(counts)
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if len(starts) == 0:
        return 0, 0, 0, 0
    left, right = int(starts[0] // height), int((ends[-1] - 1) // height) + 1
    if np.any(starts // height != (ends - 1) // height):  # a run over a column's end touches both borders
        return left, 0, right, height
    return left, int((starts % height).min()), right, int(((ends - 1) % height).max()) + 1


def to_bytes(counts: Counts) -> bytes:
    """COCO's compressed text: each count, less the one two before from the fourth on, in 5-bit groups."""
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    # A signed number needs groups until the first bit of the last is its sign.
    largest = max(int(values.max(initial=0)), -1 - int(values.min(initial=0)))
    place = np.arange(largest.bit_length() // 5 + 1)
    shifted = values[:, None] >> (5 * place)
    rest = shifted >> 4  # 0 or -1 from the last group on
    last = (rest == 0) | (rest == -1)
    kept = np.ones_like(last)
    kept[:, 1:] = ~last[:, :-1]
    characters = (shifted & 31) + np.where(last, 48, 80)
    return bytes(characters.astype(np.uint8)[kept])


def from_bytes(text: bytes) -> Counts:
    """Run lengths from COCO's compressed text.

    Raises:
        ValueError: the text ends inside a number or holds a character that the code does not use.
    """
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if len(groups) == 0:
        return np.zeros(0, np.int32)
    strange = (groups < 0) | (groups >= 64)
    if strange.any():
        character = chr(text[int(strange.argmax())])
        raise ValueError(f"run lengths hold the character {character!r}, which the code does not use")
    lasts = np.flatnonzero(groups < 32)
    if len(lasts) == 0 or lasts[-1] != len(groups) - 1:
        raise ValueError("run lengths are cut off inside a number")
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    lengths = lasts - firsts + 1
    if lengths.max() > MOST_GROUPS:
        raise ValueError("run lengths hold a number that is longer than any picture")
    place = np.arange(len(groups)) - np.repeat(firsts, lengths)
    values = np.add.reduceat((groups & 31) << (5 * place), firsts)
    values -= np.where(groups[lasts] & 16, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values.astype(np.int32)
