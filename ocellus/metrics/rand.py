"""How well cells are told apart by the membranes between them: the Rand score of ISBI 2012, and pixel error.

A map of cells and membranes stands for its segments, the connected parts between membranes. With p_ij the
share of pixels in segment i of the proposal and j of the truth, s_i = Σ_j p_ij and t_j = Σ_i p_ij
(Arganda-Carreras 2015, doi:10.3389/fnana.2015.00142, "Rand F-score"):

    V_split = Σ p_ij² / Σ t_j²      two pixels of one true cell are in one segment
    V_merge = Σ p_ij² / Σ s_i²      two pixels of one segment are in one true cell
    V_Rand  = Σ p_ij² / (½ Σ s_i² + ½ Σ t_j²)

Foreground-restricted: pixels on a membrane of the truth count in no sum, for where exactly a membrane ends is
a matter of taste. After border thinning: the proposal's segments are grown until its membranes are lines of
one pixel, so that a method which draws them broad is not punished. What remains of them inside a true cell is
a segment of its own, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.overlap import Flags, Floats, Integers
from ocellus.metrics.pixels import Array, Map, label_map
from ocellus.values import Segmentation
from ocellus.values.segmentation import IGNORED

Labels = NDArray[np.int32]
THRESHOLDS = tuple(step / 10 for step in range(1, 10))


class Squares(NamedTuple):
    """The sums of squares of one picture's table of segments, in pixels² over the truth's cells."""

    both: float
    """Σ p_ij²"""
    proposal: float
    """Σ s_i²"""
    truth: float
    """Σ t_j²"""
    pixels: int
    """How many pixels were counted."""


def segments(inside: Flags) -> Labels:
    """(H, W) -> (H, W) the 4-connected parts, numbered from 1; 0 where not inside."""
    found, _ = ndimage.label(inside)
    return np.asarray(found, np.int32)


def thin(labels: Labels) -> Labels:
    """(H, W) segments grown into what lies between them (0) until lines of one pixel are left.

    Each pixel goes to the nearest segment: gaps inside one close, and two never become one.
    """
    gap = labels == 0
    if gap.all() or not gap.any():
        return labels
    nearest = ndimage.distance_transform_edt(gap, return_distances=False, return_indices=True)
    grown = labels[nearest[0], nearest[1]]
    line = np.zeros_like(gap)
    for one, other in (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]):
        apart = grown[one] != grown[other]
        line[one] |= apart & gap[one]
        line[other] |= apart & ~gap[one]
    grown[line] = 0
    return np.asarray(grown)


def squares(proposal: Labels, truth: Labels) -> Squares:
    """Sums over the pixels where the truth is a cell.

    Args:
        proposal: (H, W) segments; each pixel of 0 is a segment of its own.
        truth: (H, W) cells; pixels of 0 are left out.
    """
    counted = truth > 0
    cell, segment = truth[counted], proposal[counted]
    lost = int((segment == 0).sum())
    shape = (int(cell.max(initial=0)) + 1, int(segment.max(initial=0)) + 1)
    table = sparse.coo_array((np.ones(len(cell)), (cell, segment)), shape=shape).tocsc()
    own = table[:, 1:]
    return Squares(
        both=float((own.data**2).sum()) + lost,
        proposal=float((own.sum(axis=0) ** 2).sum()) + lost,
        truth=float((table.sum(axis=1) ** 2).sum()),
        pixels=len(cell),
    )


def rand_score(proposal: Labels, truth: Labels) -> float:
    """V_Rand of one picture, in (0, 1]; nan where the truth has no cell.

    Args:
        proposal: (H, W) segments, thinned or not; 0 on membranes.
        truth: (H, W) cells; pixels of 0 are left out.
    """
    return float(_scores(squares(proposal, truth))[0])


def _scores(found: Squares) -> Floats:
    """(3,) V_Rand, V_split, V_merge."""
    if not found.pixels:
        return np.full(3, np.nan)
    whole = np.array([(found.proposal + found.truth) / 2, found.truth, found.proposal])
    return np.asarray(found.both / whole)


class MembraneScore:
    """Takes pictures one by one with `add`; keeps three numbers a threshold.

    The challenge takes each method at its best threshold: the one with the highest score, a mean over the
    pictures. It is chosen on the very pictures that are measured, so that the score is a little higher than
    with a threshold fixed beforehand. Figures: `Rand` and its `Rand/threshold`, `Rand/split`, `Rand/merge`;
    `Rand/at 0.5`, without that choice; `pixel_error`, the share of pixels on the wrong side of 0.5;
    `pixel_error/best F`, 1 less the highest F1 score of cell pixels, as the challenge once took it.

    Args:
        cell: the class, by name or label, that is the inside; all others are membrane.
        thresholds: probabilities above which a pixel is inside; 0.5 is always among them.
        thinned: whether borders are thinned, as the challenge ranks.
    """

    def __init__(
        self, cell: str | int = 1, *, thresholds: Sequence[float] = THRESHOLDS, thinned: bool = True
    ) -> None:
        if not all(0 <= threshold < 1 for threshold in thresholds):
            raise OcellusError(f"thresholds are from 0 to below 1, not {list(thresholds)}", exit_code=2)
        self.cell = cell
        self.thresholds = tuple(sorted({*thresholds, 0.5}))
        self.thinned = thinned
        self._scores: Floats = np.zeros((len(self.thresholds), 3))  # V_Rand, V_split, V_merge, summed
        self._pixels: Integers = np.zeros((len(self.thresholds), 4), np.int64)  # truth, said, both, counted
        self._pictures = np.zeros(2, np.int64)  # all, and those with a cell

    def __len__(self) -> int:
        """How many pictures were added."""
        return int(self._pictures[0])

    def add(self, prediction: Segmentation, truth: Segmentation) -> None:
        """Measures one picture.

        Args:
            prediction: with its confidence, which thresholds choose by.
            truth: the annotation.

        Raises:
            OcellusError: the sizes differ, or one of them does not have the class.
        """
        for name, side in (("prediction", prediction), ("truth", truth)):
            if isinstance(self.cell, str) and self.cell not in side.names:
                raise OcellusError(
                    f"the {name} has no class {self.cell!r}; it has {', '.join(side.names) or 'no names'}"
                )
        wanted = label_map(truth.labels, what="the truth")
        inside = np.where(wanted == IGNORED, np.uint8(IGNORED), wanted == truth.label(self.cell))
        self.add_maps(prediction.alpha(self.cell), inside)

    def add_maps(self, inside: Tensor | Array, truth: Tensor | Array) -> None:
        """Measures one picture given as maps.

        Args:
            inside: (H, W) probability that a pixel is inside a cell.
            truth: (H, W) 1 inside, 0 on membranes, 255 left out.

        Raises:
            OcellusError: the sizes differ, or the truth holds another number.
        """
        chance: NDArray[np.float32] = np.asarray(
            inside.detach().float().cpu() if isinstance(inside, Tensor) else inside, np.float32
        )
        wanted: Map = label_map(truth, what="the truth")
        if chance.shape != wanted.shape:
            raise OcellusError(
                f"probabilities of {chance.shape} for a truth of {wanted.shape}; give them one size"
            )
        if wrong := sorted({*np.unique(wanted).tolist()} - {0, 1, IGNORED}):
            raise OcellusError(
                f"the truth holds {wrong[0]}; it is 1 inside cells, 0 on membranes, 255 unknown"
            )
        cells, known = segments(wanted == 1), wanted != IGNORED
        for row, threshold in enumerate(self.thresholds):
            said = chance > threshold
            found = segments(said)
            scores = _scores(squares(thin(found) if self.thinned else found, cells))
            self._scores[row] += np.nan_to_num(scores)
            said &= known
            self._pixels[row] += [(wanted == 1).sum(), said.sum(), (said & (wanted == 1)).sum(), known.sum()]
        self._pictures += [1, int(cells.any())]

    def merge(self, other: MembraneScore) -> None:
        """Adds the sums of other pictures.

        Raises:
            OcellusError: the settings differ.
        """
        settings = [(one.thresholds, one.thinned, one.cell) for one in (self, other)]
        if settings[0] != settings[1]:
            raise OcellusError("only scores of the same class, thresholds and thinning can be merged")
        self._scores += other._scores
        self._pixels += other._pixels
        self._pictures += other._pictures

    def result(self) -> dict[str, float]:
        """All figures by name; nan where no truth has a cell, or nothing was counted."""
        with np.errstate(invalid="ignore"):
            scores = self._scores / self._pictures[1]  # nan where there is no cell at all
            truth, said, both, counted = self._pixels.T.astype(np.float64)
            overlap = 2 * both / (truth + said)
            error = (truth + said - 2 * both) / counted
        best, middle = int(np.argmax(scores[:, 0])), self.thresholds.index(0.5)
        some = self._pictures[1] > 0
        return {
            "Rand": float(scores[best, 0]),
            "Rand/threshold": self.thresholds[best] if some else float("nan"),
            "Rand/split": float(scores[best, 1]),
            "Rand/merge": float(scores[best, 2]),
            "Rand/at 0.5": float(scores[middle, 0]),
            "pixel_error": float(error[middle]),
            "pixel_error/best F": float(1 - overlap.max()) if some else float("nan"),
        }

    def reasons(self) -> dict[str, str]:
        """Why a figure is nan, by the figure's name."""
        start = f"the truth of {len(self)} pictures has no pixel "
        return {
            name: start + ("with a class" if name == "pixel_error" else "inside a cell")
            for name, value in self.result().items()
            if np.isnan(value)
        }
