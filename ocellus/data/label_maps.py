"""The class of every pixel, from files: what stands in them, and what it means.

A label map is (H, W) uint8: indices in the data set's class names, 255 where nothing is annotated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from ocellus.data.masks_png import read_colors, read_ids
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

UNKNOWN = 254
"""Stands in a survey where a value means no class."""
MOST_CLASSES = UNKNOWN
PER_CLASS = 1000
OBJECTS = "_instanceIds"
"""The names of masks that number objects, class * 1000 + object, end so (Cityscapes)."""
HIGHEST = 65536


class Survey(NamedTuple):
    """What stands in one file.

    Args:
        labels: (H, W) uint8: classes, 255 ignored, 254 where a value means no class.
        values: each value that occurs as it is to be shown, its label (or 255, 254), and its pixels.
    """

    labels: NDArray[uint8]
    values: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Numbers:
    """Pixels are numbers; of a palette, its indices.

    Args:
        table: (number, label) pairs; 255 as label: ignored.
        others: the label of all numbers but 0 that are not in the table, where they are objects of one class.
        objects: a number from 1000 on is object number % 1000 of class number // 1000, as in Cityscapes.
    """

    table: tuple[tuple[int, int], ...]
    others: int = UNKNOWN
    objects: bool = False

    def read(self, path: Path) -> NDArray[Any]:
        """(H, W) numbers."""
        return read_ids(path)

    def labels(self, values: NDArray[Any]) -> NDArray[uint8]:
        """(H, W) classes of (H, W) numbers."""
        if values.dtype not in (np.uint8, np.uint16):
            values = np.where((values < 0) | (values >= HIGHEST), HIGHEST - 2, values)
        found: NDArray[uint8] = _lookup(self)[values]
        return found

    def name(self, value: int) -> str:
        """The number."""
        return str(value)

    def hint(self, values: Sequence[int]) -> str:
        """What numbers of no class may be; "" where there is no guess."""
        known = {number for number, _ in self.table}
        for value in () if self.objects else values:
            number, one = divmod(value, PER_CLASS)
            if number in known - {0}:
                return (
                    f"; if {value} is object {one} of class {number}, let the masks' names end in {OBJECTS}"
                )
        return ""


@lru_cache(maxsize=8)
def _lookup(key: Numbers) -> NDArray[uint8]:
    """(65536,) uint8: number -> label."""
    found = np.full(HIGHEST, key.others, uint8)
    if key.objects:
        for number, label in key.table:
            if 0 < number < HIGHEST // PER_CLASS:
                found[PER_CLASS * number : PER_CLASS * (number + 1)] = label
    if key.others == UNKNOWN:
        found[[IGNORED, HIGHEST - 1]] = IGNORED  # unless the table has them
    for number, label in key.table:
        found[number] = label
    return found


@dataclass(frozen=True)
class Colors:
    """Pixels are colours; of a palette, those that its indices stand for.

    Args:
        table: (red * 65536 + green * 256 + blue, label) pairs; 255 as label: ignored.
    """

    table: tuple[tuple[int, int], ...]

    def read(self, path: Path) -> NDArray[Any]:
        """(H, W) packed colours."""
        return read_colors(path)

    def labels(self, values: NDArray[Any]) -> NDArray[uint8]:
        """(H, W) classes of (H, W) packed colours."""
        pairs = sorted(self.table)
        colors = np.array([color for color, _ in pairs], np.uint32)
        labels = np.array([label for _, label in pairs], uint8)
        place = np.searchsorted(colors, values).clip(0, len(colors) - 1)
        return np.where(colors[place] == values, labels[place], uint8(UNKNOWN))

    def name(self, value: int) -> str:
        """Red, green and blue."""
        return f"({value >> 16}, {value >> 8 & 255}, {value & 255})"

    def hint(self, values: Sequence[int]) -> str:
        """No colour suggests what it may be."""
        return ""


@dataclass(frozen=True)
class LabelFile:
    """The label map in a file.

    Args:
        path: the file.
        key: what its values mean.
    """

    path: Path
    key: Numbers | Colors

    def __call__(self) -> NDArray[uint8]:
        """(H, W) classes; 255 ignored.

        Raises:
            OcellusError: the file cannot be read, or holds a value that means no class.
        """
        values = self.key.read(self.path)
        labels = self.key.labels(values)
        unknown = labels == UNKNOWN
        if unknown.any():
            found, counts = counted(values[unknown])
            listed = told([self.key.name(int(value)) for value in found], counts.tolist())
            raise OcellusError(
                f"{self.path} holds {listed}, which stands for no class: name it among the classes, or "
                f"repaint it; 255 and classes named 'ignore' are ignored{self.key.hint(found.tolist())}"
            )
        return labels

    def survey(self) -> Survey:
        """The map with the values in the file.

        Raises:
            OcellusError: the file cannot be read.
        """
        values = self.key.read(self.path)
        found, counts = counted(values)
        rows = zip(found.tolist(), self.key.labels(found).tolist(), counts.tolist(), strict=True)
        shown = tuple((self.key.name(value), label, count) for value, label, count in rows)
        return Survey(self.key.labels(values), shown)


def counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values that occur, rising, and how often each does."""
    if values.dtype in (np.uint8, np.uint16):
        counts = np.bincount(values.reshape(-1))
        found = np.flatnonzero(counts)
        return found.astype(values.dtype), counts[found]
    found, counts = np.unique(values, return_counts=True)
    return found, counts


def told(names: Sequence[str], counts: Sequence[int], *, most: int = 5) -> str:
    """Values with their pixels for a message, the most frequent first."""
    order = sorted(range(len(names)), key=lambda place: -counts[place])
    listed = ", ".join(f"{names[place]} on {counts[place]} pixels" for place in order[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"value{'s' if len(names) > 1 else ''} {listed}{more}"
