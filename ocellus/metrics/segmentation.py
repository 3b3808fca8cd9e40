"""Semantic segmentation: which class each pixel is taken for, and the figures that follow from it.

With n_ij the pixels of class i that were taken for class j over all pictures, t_i = Σ_j n_ij (Long 2015,
arXiv:1411.4038, section 5), pixels labelled 255 in the truth left out:

    IoU/<class>             n_ii / (t_i + Σ_j n_ji - n_ii)
    Dice/<class>            2 n_ii / (t_i + Σ_j n_ji), the F1 score
    mIoU, Dice              their mean over the classes
    pixel_accuracy          Σ_i n_ii / Σ_i t_i
    mean_accuracy           mean over the classes of n_ii / t_i
    frequency_weighted_IoU  Σ_i t_i IoU_i / Σ_i t_i
    boundary_IoU/<class>    of the pixels near a class's border, see `ocellus.metrics.boundaries`
    boundary_IoU            its mean over the classes

The background is a class like the others and is in every mean. Pixels are pooled over the pictures: a mean of
each picture's Dice, as medical challenges take it, is another figure.

A class of which the truth has no pixel is nan, neither good nor bad, and means leave it out; `reasons` says
why. What was taken for it is counted against the classes that lie there. A predicted label 255 (no answer) is
counted as a pixel missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.boundaries import BoundaryOverlap
from ocellus.metrics.overlap import Flags, Floats, Integers
from ocellus.metrics.pixels import Array, count_pairs, label_map
from ocellus.values import Segmentation
from ocellus.values.segmentation import IGNORED


class PixelConfusion:
    """Takes pictures one by one with `add`; memory is one number a pair of classes, however many pictures.

    Args:
        names: the C class names in the order of the labels, the background's too.
        boundary: whether to measure Boundary IoU as well.
    """

    def __init__(self, names: Sequence[str], *, boundary: bool = False) -> None:
        self.names = tuple(names)
        if not 0 < len(self.names) <= IGNORED or len(set(self.names)) < len(self.names):
            raise OcellusError(
                f"{len(self.names)} class names, {len(set(self.names))} different ones; a label map has 1 to "
                f"{IGNORED} classes, each with a name of its own"
            )
        self._counts: Integers = np.zeros((len(self.names) + 1,) * 2, np.int64)  # first row, column: 255
        self._boundary = BoundaryOverlap(len(self.names)) if boundary else None
        self._pictures = 0

    def __len__(self) -> int:
        """How many pictures were added."""
        return self._pictures

    def add(self, prediction: Segmentation, truth: Segmentation) -> None:
        """Counts one picture.

        Raises:
            OcellusError: the two do not belong together, or a label has no name.
        """
        for name, side in (("prediction", prediction), ("truth", truth)):
            if side.names and side.names != self.names:
                raise OcellusError(
                    f"picture {self._pictures}: the {name} names the classes {', '.join(side.names)}, "
                    f"measured are {', '.join(self.names)}; map the labels first"
                )
        self.add_maps(prediction.labels, truth.labels)

    def add_maps(self, prediction: Tensor | Array, truth: Tensor | Array) -> None:
        """Counts one picture given as label maps.

        Args:
            prediction: (H, W) integers 0 to C-1; 255 counts as wrong wherever there is a truth.
            truth: (H, W) integers 0 to C-1; 255 is left out.

        Raises:
            OcellusError: the sizes differ, or a label has no name.
        """
        number = f"picture {self._pictures}"
        found = label_map(prediction, what=f"{number}: the prediction")
        wanted = label_map(truth, what=f"{number}: the truth")
        try:
            counts = count_pairs(wanted, found, classes=len(self.names))
        except OcellusError as error:
            raise OcellusError(f"{number}: {error}") from None
        if self._boundary is not None:
            self._boundary.add_maps(found, wanted)
        self._counts += counts
        self._pictures += 1

    def merge(self, other: PixelConfusion) -> None:
        """Adds the counts of other pictures.

        Raises:
            OcellusError: the settings differ.
        """
        if self.names != other.names or (self._boundary is None) != (other._boundary is None):
            raise OcellusError("only counts of the same names, both with boundaries or both without, merge")
        self._counts += other._counts
        self._pictures += other._pictures
        if self._boundary is not None and other._boundary is not None:
            self._boundary.merge(other._boundary)

    def state(self) -> dict[str, Tensor]:
        """All that was counted, as int64 tensors that processes may add up; `restore` takes it up."""
        state = {"counts": torch.from_numpy(self._counts.copy()), "pictures": torch.tensor(self._pictures)}
        if self._boundary is not None:
            state["boundary"] = self._boundary.counts()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Becomes what `state` described."""
        self._counts = state["counts"].cpu().numpy().copy()
        self._pictures = int(state["pictures"])
        if self._boundary is not None:
            self._boundary.restore(state["boundary"])

    def matrix(self) -> Tensor:
        """(C, C) int64 pixels: rows are truths, columns predictions."""
        return torch.from_numpy(self._counts[1:, 1:].copy())

    def result(self) -> dict[str, float]:
        """All figures by name, in [0, 1] or nan; see the head of this file."""
        counts = self._counts[1:]
        right = np.diagonal(counts, offset=1).astype(np.float64)
        truth, found = counts.sum(1), counts[:, 1:].sum(0)
        present = truth > 0
        iou = _share(right, truth + found - right, present)
        dice = _share(2 * right, truth + found, present)
        recall = _share(right, truth, present)
        total = truth.sum()
        figures = {
            "mIoU": _mean(iou),
            "pixel_accuracy": float(right.sum() / total) if total else float("nan"),
            "mean_accuracy": _mean(recall),
            "frequency_weighted_IoU": float((truth * iou)[present].sum() / total) if total else float("nan"),
            "Dice": _mean(dice),
        }
        each = {"IoU": iou, "Dice": dice}
        if self._boundary is not None:
            each["boundary_IoU"] = self._boundary.overlaps()
            figures["boundary_IoU"] = _mean(each["boundary_IoU"])
        for kind, values in each.items():
            names = (f"{kind}/{name}" for name in self.names)
            figures |= dict(zip(names, values.tolist(), strict=True))
        return figures

    def reasons(self) -> dict[str, str]:
        """Why a figure is nan, by the figure's name."""
        figures = self.result()
        found = self._counts[1:, 1:].sum(0)
        reasons: dict[str, str] = {}
        for label, name in enumerate(self.names):
            taken = f"; {found[label]} pixels were taken for it" if found[label] else ""
            for kind, where in (("IoU", ""), ("Dice", ""), ("boundary_IoU", " near a border")):
                if np.isnan(figures.get(f"{kind}/{name}", 0.0)):
                    reasons[f"{kind}/{name}"] = f"the truth has no pixel of {name}{where}{taken}"
        nothing = f"the truth of {self._pictures} pictures has no pixel with a class"
        return {n: nothing for n, v in figures.items() if np.isnan(v) and n not in reasons} | reasons


def _share(part: Floats, whole: Floats | Integers, present: Flags) -> Floats:
    """(C,) part / whole, nan where the class is not present."""
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=present)
    return shares


def _mean(values: Floats) -> float:
    """Of the values that are known; nan where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
