"""Drawings as QuickDraw stores them stroke by stroke, and how they become pixels.

A drawing is its strokes, each (2, N) float32: x to the right and y down, in a square of 256. The two files
that Google publishes are read: `.ndjson`, a JSON object a line, and `.bin`, packed numbers
(github.com/googlecreativelab/quickdraw-dataset, "The simplified drawing files", "The binary files"). Raw
drawings, in pixels of whatever screen, are brought into the square too.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ocellus.errors import OcellusError

Strokes = tuple[NDArray[np.float32], ...]

SQUARE = 256
LINE = 16.0  # of the square: the line's width and the border around it in the published 28 x 28 pictures
BORDER = 16.0
FINER = 8  # times, of the picture in which lines are drawn before it is averaged
HEAD = struct.Struct("<Q2sbIH")  # key, country, recognized, time, number of strokes


def rasterised(strokes: Sequence[NDArray[np.float32]], *, side: int = 28) -> NDArray[np.uint8]:
    """(side, side) pixels, 255 ink on 0: a drawing in the middle of the picture.

    The published pictures of 28 x 28 have this line, border and place; theirs were drawn by another program.

    Args:
        strokes: (2, N) x and y in the square of 256.
        side: of the picture.
    """
    scale = FINER * side / (SQUARE + 2 * BORDER + LINE)
    canvas = Image.new("L", (FINER * side, FINER * side))
    points = [stroke for stroke in strokes if stroke.shape[1]]
    if points:
        everything = np.concatenate(points, axis=1)
        middle = (everything.min(axis=1) + everything.max(axis=1)) / 2
        draw = ImageDraw.Draw(canvas)
        radius = LINE * scale / 2
        for stroke in points:
            placed = (stroke - middle[:, None]) * scale + FINER * side / 2  # (2, N)
            line = [(float(x), float(y)) for x, y in placed.T]
            draw.line(line, fill=255, width=max(round(2 * radius), 1), joint="curve")
            for x, y in line:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(canvas.reduce(FINER), np.uint8)


def line_offsets(path: Path) -> tuple[int, ...]:
    """Where the drawings of a .ndjson begin, in bytes."""
    offsets, place = [], 0
    with path.open("rb") as stream:
        for line in stream:
            if line.strip():
                offsets.append(place)
            place += len(line)
    return tuple(offsets)


def read_line(path: Path, offset: int) -> tuple[str, Strokes]:
    """The word and the strokes of the drawing at a byte of a .ndjson.

    Raises:
        OcellusError: it is no JSON, or holds no drawing.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        line = stream.readline()
    try:
        entry = json.loads(line)
        strokes = tuple(np.asarray(stroke[:2], np.float32) for stroke in entry["drawing"])
        word = str(entry.get("word", ""))
        if any(stroke.ndim != 2 or len(stroke) != 2 for stroke in strokes):
            raise ValueError("a stroke is a list of x and a list of y")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise OcellusError(
            f"{path}, byte {offset}: this is no drawing ({error}); wanted is QuickDraw's "
            '{"word": ..., "drawing": [[[x, ...], [y, ...]], ...]} a line'
        ) from error
    return word, squared(strokes)


def squared(strokes: Strokes) -> Strokes:
    """Drawings beyond the square moved and scaled into it, as the simplified ones were; others as given."""
    points = [stroke for stroke in strokes if stroke.shape[1]]
    if not points:
        return strokes
    everything = np.concatenate(points, axis=1)
    low, high = everything.min(axis=1), everything.max(axis=1)
    if low.min() >= 0 and high.max() < SQUARE:
        return strokes
    scale = (SQUARE - 1) / max(float((high - low).max()), 1.0)
    return tuple((stroke - low[:, None]) * np.float32(scale) for stroke in strokes)


def packed_offsets(path: Path) -> tuple[int, ...]:
    """Where the drawings of a .bin begin, in bytes.

    Raises:
        OcellusError: it ends within a drawing, or is no such file.
    """
    data = path.read_bytes()
    offsets, place = [], 0
    while place < len(data):
        offsets.append(place)
        try:
            strokes = HEAD.unpack_from(data, place)[-1]
            place += HEAD.size
            for _ in range(strokes):
                place += 2 + 2 * struct.unpack_from("<H", data, place)[0]
        except struct.error:
            place = len(data) + 1
        if place > len(data):
            raise OcellusError(
                f"{path} ends within drawing {len(offsets) - 1}, or is no .bin of QuickDraw's; get it again"
            )
    return tuple(offsets)


def read_packed(path: Path, offset: int, end: int) -> Strokes:
    """The strokes of the drawing from one byte of a .bin to another."""
    with path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(end - offset)
    found, place = [], HEAD.size
    for _ in range(HEAD.unpack_from(data)[-1]):
        count = struct.unpack_from("<H", data, place)[0]
        numbers = np.frombuffer(data, np.uint8, 2 * count, place + 2)
        found.append(numbers.reshape(2, count).astype(np.float32))
        place += 2 + 2 * count
    return tuple(found)
