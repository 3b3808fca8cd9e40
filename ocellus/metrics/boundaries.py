"""Boundary IoU: overlap of the pixels near the borders, which large objects' IoU hardly feels.

With G_d the pixels of a truth G whose distance to its border is at most d, P_d likewise of a prediction
(Cheng 2021, arXiv:2103.16562, equation 2):

    Boundary IoU = |G_d ∩ P_d| / |G_d ∪ P_d|,      d = 2 % of the picture's diagonal

Distance is that of a square: G_d is G less what d erosions by 3 x 3 pixels leave, and the picture's edge is a
border (as in the paper's own evaluation). Here every class of a label map is a mask, and pixels are summed
over the pictures before the division, as for mIoU.

Pixels labelled 255 in the truth are left out of both sides, and are no border: what lies behind them is
not known.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ocellus.metrics.overlap import Flags, Floats, Integers
from ocellus.metrics.pixels import Array, Map, count_pairs, label_map
from ocellus.values.segmentation import IGNORED

RATIO = 0.02


class BoundaryOverlap:
    """Counts the pixels near borders, picture by picture.

    Args:
        classes: C.
        ratio: how far from a border, as a share of the picture's diagonal.
    """

    def __init__(self, classes: int, *, ratio: float = RATIO) -> None:
        self.classes = classes
        self.ratio = ratio
        self._counts: Integers = np.zeros((classes + 1,) * 2, np.int64)  # first row, column: not near

    def add_maps(self, prediction: Tensor | Array, truth: Tensor | Array) -> None:
        """Counts one picture.

        Args:
            prediction: (H, W) integers 0 to C-1, or 255.
            truth: (H, W) likewise.

        Raises:
            OcellusError: the sizes differ, or a label is neither below C nor 255.
        """
        found = label_map(prediction, what="the prediction")
        wanted = label_map(truth, what="the truth")
        if found.shape == wanted.shape:
            width = distance(found.shape, ratio=self.ratio)
            found = _only(found, wanted != IGNORED)
            wanted, found = (_only(side, near_border(side, width=width)) for side in (wanted, found))
        self._counts += count_pairs(wanted, found, classes=self.classes)

    def merge(self, other: BoundaryOverlap) -> None:
        """Adds the counts of other pictures, of the same classes and ratio."""
        self._counts += other._counts

    def counts(self) -> Tensor:
        """(C+1, C+1) int64 pixels by truth and prediction; first row and column: not near a border."""
        return torch.from_numpy(self._counts.copy())

    def restore(self, counts: Tensor) -> None:
        """Takes up (C+1, C+1) `counts`."""
        self._counts = counts.cpu().numpy().copy()

    def overlaps(self) -> Floats:
        """(C,) Boundary IoU of each class; nan where the truth has no pixel of it."""
        both = np.diagonal(self._counts)[1:].astype(np.float64)
        truth, found = self._counts.sum(1)[1:], self._counts.sum(0)[1:]
        overlaps = np.full(self.classes, np.nan)
        np.divide(both, truth + found - both, out=overlaps, where=truth > 0)
        return overlaps


def distance(size: tuple[int, ...], *, ratio: float = RATIO) -> int:
    """Pixels that a border is wide on either side in an (H, W) picture: at least 1."""
    return max(1, round(ratio * float(np.hypot(size[0], size[1]))))


def near_border(labels: Map, *, width: int) -> Flags:
    """(H, W) whether another class, or the picture's edge, is at most `width` pixels away.

    A pixel is far from its class's border where the square around it holds one class: where the smallest and
    the largest label in it are the same. So one pass does for all classes.

    Args:
        labels: (H, W), 255 where there is none; these are no border and not near one.
        width: d.
    """
    height, breadth = labels.shape
    near: Flags = labels != IGNORED
    if min(height, breadth) <= 2 * width:
        return near
    smallest = _filter(labels, np.minimum, width=width)  # 255 never is the smallest
    largest = _filter(labels + np.uint8(1), np.maximum, width=width)  # as 0 it never is the largest
    one = smallest + np.uint8(1) == largest
    near[width:-width, width:-width] &= ~one
    return near


def _only(labels: Map, kept: Flags) -> Map:
    """(H, W) labels where kept, 255 elsewhere: as bits, since 0 - 1 is 255."""
    return labels | (kept.view(np.uint8) - np.uint8(1))


def _filter(labels: Map, choose: np.ufunc, *, width: int) -> Map:
    """(H, W) -> (H-2d, W-2d) the smallest or largest in squares of 2d+1, by windows of 1, 2, 4 ... pixels."""
    span = 2 * width + 1
    for _ in range(2):
        done = 1
        found = labels
        while done < span:
            step = min(done, span - done)
            found = choose(found[:-step], found[step:])
            done += step
        labels = found.T
    return labels
