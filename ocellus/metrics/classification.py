"""Classification: which class each picture is taken for, how surely, and the figures that follow from it.

With n_ij the pictures of class i that were taken for class j, the likeliest one (of equals the first),
t_i = Σ_j n_ij and f_j = Σ_i n_ij:

    top1, top5              share of the pictures whose class is the likeliest, or among the five likeliest
    mean_accuracy           mean over the classes of recall
    recall/<class>          n_ii / t_i, which is also called the accuracy of the class
    precision/<class>       n_ii / f_i; nan where nothing was taken for the class
    F1/<class>              2 n_ii / (t_i + f_i)
    precision, F1           their mean over the classes; a precision of nan counts as 0
    calibration_error       Σ over 15 bins of confidence of the bin's share of the pictures times the
                            difference of its accuracy and its mean confidence (Guo 2017, arXiv:1706.04599,
                            equation 3); a bin holds its upper end
    log_loss                mean of -log of the probability of the true class

A class of which there is no picture is nan and left out of the means; `reasons` says why. top5 is left out
where there are five classes or fewer: it would be 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.overlap import Flags, Floats, Integers

BINS = 15
TOP = 5
LEAST = float(np.finfo(np.float64).eps)  # probability that log_loss takes 0 for, as scikit-learn

OF_CLASSES = ("recall", "precision", "F1")


class ClassConfusion:
    """Takes pictures with `add`; memory is a few numbers a class and one a pair of classes that occurs.

    Args:
        names: the C class names in the order of the labels.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise OcellusError(
                f"{len(self.names)} class names, {len(set(self.names))} different ones; two or more are "
                "wanted, each with a name of its own"
            )
        self._pairs: Counter[int] = Counter()  # truth * C + prediction
        self._top5 = 0
        self._loss = 0.0
        self._bins: Floats = np.zeros((3, BINS))  # pictures, right ones, sum of confidences

    def __len__(self) -> int:
        """How many pictures were added."""
        return self._pairs.total()

    def add(self, probabilities: Tensor, truths: Tensor | int) -> None:
        """Counts pictures.

        Args:
            probabilities: (C,) of one picture, or (B, C).
            truths: its class, or (B,) integers.

        Raises:
            OcellusError: other shapes, a probability that is no number, or a class without a name.
        """
        shares = probabilities.detach().double().cpu().numpy().reshape(-1, probabilities.shape[-1])
        labels = torch.as_tensor(truths).cpu().numpy().astype(np.int64).reshape(-1)
        count = len(self.names)
        if shares.shape != (len(labels), count):
            raise OcellusError(
                f"{len(labels)} classes of pictures with probabilities {tuple(probabilities.shape)}; wanted "
                f"are {count} for each picture"
            )
        if not np.isfinite(shares).all():
            raise OcellusError("a probability is no finite number; the network has gone wrong")
        if len(labels) and not 0 <= labels.min() <= labels.max() < count:
            raise OcellusError(f"a picture has the class {labels.max()}; there are {count}, from 0")
        true = shares[np.arange(len(labels)), labels]
        before = np.arange(count) < labels[:, None]
        ranks = ((shares > true[:, None]) | ((shares == true[:, None]) & before)).sum(axis=1)
        self._pairs.update((labels * count + shares.argmax(axis=1)).tolist())
        self._top5 += int((ranks < TOP).sum())
        self._loss += float(-np.log(np.maximum(true, LEAST)).sum())
        sure = shares.max(axis=1)
        places = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        for row, values in enumerate((np.ones(len(labels)), ranks == 0, sure)):
            self._bins[row] += np.bincount(places, weights=values, minlength=BINS)

    def merge(self, other: ClassConfusion) -> None:
        """Adds the counts of other pictures.

        Raises:
            OcellusError: of other classes.
        """
        if self.names != other.names:
            raise OcellusError("only counts of the same class names merge")
        self._pairs.update(other._pairs)
        self._top5 += other._top5
        self._loss += other._loss
        self._bins += other._bins

    def state(self) -> dict[str, Tensor]:
        """All that was counted, as tensors; `restore` takes it up."""
        return {
            "pairs": torch.tensor(list(self._pairs.items()), dtype=torch.int64).reshape(-1, 2),
            "top5": torch.tensor(self._top5),
            "loss": torch.tensor(self._loss, dtype=torch.float64),
            "bins": torch.from_numpy(self._bins.copy()),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Becomes what `state` described."""
        self._pairs = Counter(dict(state["pairs"].tolist()))
        self._top5 = int(state["top5"])
        self._loss = float(state["loss"])
        self._bins = state["bins"].cpu().numpy().copy()

    def matrix(self) -> Tensor:
        """(C, C) int64 pictures: rows are truths, columns predictions."""
        count = len(self.names)
        matrix = torch.zeros(count * count, dtype=torch.int64)
        if self._pairs:
            matrix[torch.tensor(list(self._pairs))] = torch.tensor(list(self._pairs.values()))
        return matrix.view(count, count)

    def confused(self) -> list[tuple[str, str, int]]:
        """(true class, class it was taken for, pictures) of all mistakes, the most frequent first."""
        pairs = ((*divmod(key, len(self.names)), count) for key, count in self._pairs.most_common())
        return [(self.names[a], self.names[b], count) for a, b, count in pairs if a != b]

    def calibration(self) -> list[tuple[float, float, int]]:
        """(mean confidence, accuracy, pictures) of each bin that has pictures, the least sure first."""
        return [(sure / n, right / n, int(n)) for n, right, sure in self._bins.T.tolist() if n]

    def result(self) -> dict[str, float]:
        """All figures by name, in [0, 1] but for log_loss, or nan; see the head of this file."""
        right, truth, found = self._sums()
        total = len(self)
        recall = _share(right, truth, truth > 0)
        precision = _share(right, found, (truth > 0) & (found > 0))
        both = _share(2 * right, truth + found, truth > 0)
        count, hits, sure = self._bins
        figures = {
            "top1": right.sum() / total if total else float("nan"),
            "top5": self._top5 / total if total else float("nan"),
            "mean_accuracy": _mean(recall),
            "precision": _mean(np.where((truth > 0) & (found == 0), 0.0, precision)),
            "F1": _mean(both),
            "calibration_error": float(np.abs(hits - sure).sum() / count.sum()) if total else float("nan"),
            "log_loss": self._loss / total if total else float("nan"),
        }
        if len(self.names) <= TOP:
            del figures["top5"]
        for kind, values in zip(OF_CLASSES, (recall, precision, both), strict=True):
            figures |= dict(zip((f"{kind}/{name}" for name in self.names), values.tolist(), strict=True))
        return {name: float(value) for name, value in figures.items()}

    def reasons(self) -> dict[str, str]:
        """Why a figure is nan, by the figure's name."""
        _, truth, found = self._sums()
        reasons: dict[str, str] = {}
        for label, name in enumerate(self.names):
            if not truth[label]:
                taken = f"; {found[label]} were taken for it" if found[label] else ""
                reasons |= {f"{kind}/{name}": f"there is no picture of {name}{taken}" for kind in OF_CLASSES}
            elif not found[label]:
                reasons[f"precision/{name}"] = f"nothing was taken for {name}"
        if not len(self):
            reasons |= {name: "there are no pictures" for name in self.result() if name not in reasons}
        return reasons

    def _sums(self) -> tuple[Integers, Integers, Integers]:
        """(C,) pictures that are right, that are of each class, and that were taken for it."""
        count = len(self.names)
        right, truth, found = np.zeros((3, count), np.int64)
        for key, pictures in self._pairs.items():
            label, taken = divmod(key, count)
            truth[label] += pictures
            found[taken] += pictures
            right[label] += pictures * (label == taken)
        return right, truth, found


def _share(part: Integers, whole: Integers, known: Flags) -> Floats:
    """(C,) part / whole, nan where it is not known."""
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=known)
    return shares


def _mean(values: Floats) -> float:
    """Of the values that are known; nan where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
