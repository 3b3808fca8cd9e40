"""Which class is taken for which, what is missed and what is seen where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics import matching
from ocellus.metrics.detections import PREFIX, Sides, floats, sides
from ocellus.metrics.overlap import Floats, Integers, box_overlaps, foreground, mask_overlaps
from ocellus.values import Instances


class ConfusionMatrix:
    """Counts detections against truths, picture by picture, at one overlap and one score.

    Detections at or above the score are paired one to one with truths that they overlap enough, whatever the
    classes. Pairs of the same class are made first, then the others, the largest overlap first: a thing found
    with its right class is not confused because a second detection lies on it with another one. A detection
    without a partner is false, unless it lies in a crowd; then it is left out. A truth without one is missed.

    Args:
        names: the class names.
        kind: "boxes" or "masks", what overlaps.
        overlap: the least intersection over union of a pair.
        score: the least score of a detection.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        kind: Literal["boxes", "masks"] = "boxes",
        overlap: float = 0.5,
        score: float = 0.5,
    ) -> None:
        if not 0 < overlap <= 1:
            raise OcellusError(f"an overlap is above 0 and at most 1, not {overlap}", exit_code=2)
        self.names = tuple(names)
        self.kind = kind
        self.overlap = overlap
        self.score = score
        self._counts: Integers = np.zeros((len(self.names) + 1,) * 2, np.int64)
        self._pictures = 0

    def __len__(self) -> int:
        """How many pictures were added."""
        return self._pictures

    def add(self, prediction: Instances, truth: Instances) -> None:
        """Counts one picture.

        Raises:
            OcellusError: the two do not belong together, a label has no name, scores or masks are missing.
        """
        both = sides(prediction, truth, names=self.names, picture=self._pictures)
        detections = np.flatnonzero(both.ranked.scores >= self.score)
        labels = both.ranked.labels[detections]
        overlaps = self._overlaps(both, both.ranked.order[detections])  # (D, G)
        enough = (overlaps >= self.overlap) & ~both.crowd
        first, second = np.nonzero(enough)
        order = np.lexsort((-overlaps[first, second], labels[first] != both.labels[second]))
        taken = order[matching.pair_off(first[order], second[order])]
        first, second = first[taken], second[taken]
        nothing = len(self.names)
        np.add.at(self._counts, (both.labels[second], labels[first]), 1)
        false = np.asarray(~((overlaps >= self.overlap) & both.crowd).any(1))
        false[first] = False
        np.add.at(self._counts[nothing], labels[false], 1)
        missed = ~both.crowd
        missed[second] = False
        np.add.at(self._counts[:, nothing], both.labels[missed], 1)
        self._pictures += 1

    def _overlaps(self, both: Sides, detections: Integers) -> Floats:
        """(D, G) overlaps of the chosen detections with all truths."""
        shape = (len(detections), len(both.labels))
        first, second = np.indices(shape).reshape(2, -1)
        crowd = both.crowd[second]
        if self.kind == "boxes":
            boxes = floats(both.prediction.boxes)[detections]
            return box_overlaps(boxes[first], both.boxes[second], crowd).reshape(shape)
        if not (shape[0] and shape[1]):
            return np.zeros(shape)
        found, truths = both.prediction.masks, both.truth.masks
        if found is None or truths is None:
            side = "prediction" if found is None else "truth"
            raise OcellusError(f"picture {self._pictures}: the {side} has no masks; count kind='boxes'")
        pairs = (detections[first], second)
        return mask_overlaps(
            foreground(found), foreground(truths), pairs=pairs, crowd=crowd, least=self.overlap
        ).reshape(shape)

    def merge(self, other: ConfusionMatrix) -> None:
        """Adds the counts of other pictures.

        Raises:
            OcellusError: the settings differ.
        """
        settings = [(one.names, one.kind, one.overlap, one.score) for one in (self, other)]
        if settings[0] != settings[1]:
            raise OcellusError("only matrices of the same names, kind, overlap and score can be merged")
        self._counts += other._counts
        self._pictures += other._pictures

    def matrix(self) -> Tensor:
        """(C+1, C+1) int64: rows are truths, columns detections; last row false ones, last column missed."""
        return torch.from_numpy(self._counts.copy())

    def result(self) -> dict[str, float]:
        """Precision and recall over all classes at the score and overlap in their names; nan for 0 / 0."""
        right = float(np.trace(self._counts))
        found, truths = float(self._counts[:, :-1].sum()), float(self._counts[:-1].sum())
        at = f"IoU {self.overlap:.2f} score {self.score:.2f}"
        prefix = PREFIX[self.kind]
        return {
            f"{prefix}/precision at {at}": right / found if found else float("nan"),
            f"{prefix}/recall at {at}": right / truths if truths else float("nan"),
        }
