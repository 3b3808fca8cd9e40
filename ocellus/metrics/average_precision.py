"""Average precision and recall of boxes, masks and keypoints, picture by picture, with little memory.

The numbers are COCO's ("Detection Evaluation" and "Keypoint Evaluation" on its site; Lin 2014,
arXiv:1405.0312) and equal those of pycocotools. A picture is matched when it arrives; of it stay 36 bytes a
detection, no box, no mask and no truth.

Names say what was measured; for "box" read also "mask" (overlap of masks) and "keypoint" (similarity):

    box/AP              mean over the overlaps 0.50, 0.55 ... 0.95, 100 detections a class and picture
    box/AP50, box/AP75  at overlap 0.50, 0.75
    box/AP/small        of objects of up to 32² pixels; medium from 32² to 96², large from 96²
    box/AR/1, 10, 100   mean recall over the overlaps with the best 1, 10, 100 detections a class and picture
    box/AR/small ...    AR/100 of objects of that size
    box/AP/<class>      of one class, and box/AP50/<class>; a class called small, medium or large is named
                        "small (class)"
    keypoint/...        the same with 20 detections a class and picture: AR/20, AR50, AR75; there is no small

Areas are the annotated ones, else the masks', else the boxes'. A class or a size of which there is no truth
is nan: its recall would be 0 / 0, neither good nor bad. Means leave it out. (pycocotools prints -1 for it.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics import oks
from ocellus.metrics.detections import PREFIX, Kind, measure, ranges_of, sides
from ocellus.metrics.overlap import Floats
from ocellus.metrics.precision_recall import RECALLS, curves, known_mean, sweep
from ocellus.metrics.tally import Tally
from ocellus.values import Instances


class Curve(NamedTuple):
    """Precision against recall, over all areas.

    Args:
        kind: "box", "mask" or "keypoint".
        name: the class; "" for the mean over the classes.
        overlap: "0.50", or "0.50:0.95" for the mean over the ten overlaps.
        recall: (101,) 0, 0.01 ... 1.
        precision: (101,), 0 where the recall is not reached; nan where the class has no truth.
        score: (101,) the score down to which detections are taken to reach the recall; nan where none reaches
            it, and for means.
    """

    kind: str
    name: str
    overlap: str
    recall: Tensor
    precision: Tensor
    score: Tensor


class AveragePrecision:
    """Takes pictures one by one with `add`; `result` and `curves` may be asked at any time.

    Args:
        names: the class names, in the order of the labels.
        kinds: what to measure. What neither predictions nor truths have is left out of the result; what only
            one side has is an error.
        sigmas: K spreads of the keypoints, see `ocellus.metrics.oks.sigmas_of`.
        limits: how many detections a class and picture count: each for an AR, the last for AP. COCO's by
            default; raise them where pictures hold more objects.
        keypoint_limits: the same for keypoints.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        kinds: Sequence[Kind] = ("boxes", "masks", "keypoints"),
        sigmas: Sequence[float] = (),
        limits: Sequence[int] = (1, 10, 100),
        keypoint_limits: Sequence[int] = (20,),
    ) -> None:
        if unknown := sorted(set(kinds) - set(PREFIX)):
            raise OcellusError(f"cannot measure {unknown}; kinds are {list(PREFIX)}", exit_code=2)
        self.names = tuple(names)
        self.sigmas = tuple(float(sigma) for sigma in sigmas)
        oks.check_sigmas(self.sigmas)
        self.limits: dict[Kind, tuple[int, ...]] = {
            kind: tuple(sorted(keypoint_limits if kind == "keypoints" else limits)) for kind in kinds
        }
        self._tallies = {kind: Tally(len(self.names), len(ranges_of(kind))) for kind in kinds}
        self._present: dict[Kind, bool] = {}
        self._pictures = 0
        self._numbers: set[int] = set()

    def __len__(self) -> int:
        """How many pictures were added."""
        return self._pictures

    def add(self, prediction: Instances, truth: Instances, *, picture: int | None = None) -> None:
        """Matches the detections of one picture with its truths.

        Args:
            prediction: with scores, in pixels of the annotated picture.
            truth: the annotation.
            picture: the picture's number in its data set. It decides the order of equal scores, so that
                processes that see a part each get together what one process gets. Give it always or never;
                without it the order of coming counts.

        Raises:
            OcellusError: the two do not belong together, a label has no name, scores are missing or not
                finite, a picture comes twice, keypoints have no sigmas.
        """
        number = self._number(picture)
        both = sides(prediction, truth, names=self.names, picture=number)
        sigmas: Floats = np.asarray(self.sigmas, np.float64)
        present = {kind: self._is_present(kind, prediction, truth, picture=number) for kind in self._tallies}
        measured = {
            kind: measure(kind, both, limit=self.limits[kind][-1], sigmas=sigmas)
            for kind in self._tallies
            if present[kind]
        }
        for kind, (rows, counted) in measured.items():  # nothing is kept of a picture that was refused
            rows["picture"] = number
            self._tallies[kind].append(rows)
            np.add.at(self._tallies[kind].positives, both.labels, counted)
        self._present |= {kind: value for kind, value in present.items() if value is not None}
        self._pictures += 1
        if picture is not None:
            self._numbers.add(picture)

    def _number(self, picture: int | None) -> int:
        if self._pictures and (picture is None) == bool(self._numbers):
            raise OcellusError("some pictures were added with a number, some without; number all or none")
        if picture in self._numbers:
            raise OcellusError(
                f"picture {picture} was added before; leave out what a sampler repeats to fill its batches"
            )
        return self._pictures if picture is None else picture

    def _is_present(
        self, kind: Kind, prediction: Instances, truth: Instances, *, picture: int
    ) -> bool | None:
        """Whether the picture has this kind; None where a picture without objects leaves it open."""
        named = {"prediction": prediction, "truth": truth}
        has = {name: getattr(side, kind) is not None for name, side in named.items() if len(side)}
        before = self._present.get(kind)
        if len({*has.values(), before} - {None}) > 1:
            given = " and ".join(
                f"the {name} has {'' if value else 'no '}{kind}" for name, value in has.items()
            )
            others = "" if len(set(has.values())) > 1 else ", unlike the pictures before"
            raise OcellusError(
                f"picture {picture}: {given}{others}; give both sides {kind} in every picture, or measure "
                f"kinds without {kind!r}"
            )
        return next(iter(has.values()), before)

    def merge(self, other: AveragePrecision) -> None:
        """Takes over the pictures of another evaluation, of other pictures with the same settings.

        Raises:
            OcellusError: the settings differ, or both saw the same picture.
        """
        if (self.names, self.limits, self.sigmas) != (other.names, other.limits, other.sigmas):
            raise OcellusError("only evaluations with the same names, kinds, sigmas and limits can be merged")
        if len(self) and len(other) and bool(self._numbers) != bool(other._numbers):
            raise OcellusError("one evaluation has numbered pictures, the other has not; number all or none")
        if twice := self._numbers & other._numbers:
            raise OcellusError(f"both evaluations hold picture {min(twice)}; each picture counts once")
        for kind, present in other._present.items():
            if self._present.get(kind, present) != present:
                raise OcellusError(
                    f"one evaluation has {kind}, the other none; measure kinds without {kind!r}"
                )
        self._present |= other._present
        for kind, tally in self._tallies.items():
            tally.merge(other._tallies[kind], shift=0 if other._numbers else self._pictures)
        self._pictures += len(other)
        self._numbers |= other._numbers

    def state(self) -> dict[str, Tensor]:
        """All that was seen, as tensors; `restore` on an evaluation with the same settings takes it up."""
        state = {
            "pictures": torch.tensor(self._pictures),
            "numbers": torch.tensor(sorted(self._numbers), dtype=torch.int64),
            "present": torch.tensor([int(self._present.get(kind, -1)) for kind in self._tallies]),
        }
        for kind, tally in self._tallies.items():
            state |= {f"{kind}/{name}": value for name, value in tally.state().items()}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Becomes the evaluation whose `state` is given."""
        self._pictures = int(state["pictures"])
        self._numbers = set(state["numbers"].tolist())
        present = zip(self._tallies, state["present"].tolist(), strict=True)
        self._present = {kind: bool(value) for kind, value in present if value >= 0}
        for kind, tally in self._tallies.items():
            start = f"{kind}/"
            tally.restore(
                {name.removeprefix(start): v for name, v in state.items() if name.startswith(start)}
            )

    def result(self) -> dict[str, float]:
        """All numbers by name, in [0, 1] or nan; see the head of this file."""
        found: dict[str, float] = {}
        for kind in self._measured():
            found |= _summary(kind, self._tallies[kind], names=self.names, limits=self.limits[kind])
        return found

    def curves(self) -> list[Curve]:
        """For each kind the mean over the classes, then each class, at overlap 0.50 and as mean of all."""
        found = []
        recall, unknown = torch.from_numpy(RECALLS.copy()), np.full(len(RECALLS), np.nan)
        for kind in self._measured():
            tally = self._tallies[kind]
            precision, score = curves(tally.rows(), tally.positives)  # (C, T, 101)
            parts = [("", known_mean(precision, axis=0), unknown)]
            parts += list(zip(self.names, precision, score[:, 0], strict=True))
            for name, values, reached in parts:
                for overlap, curve, scores in (
                    ("0.50", values[0], reached),
                    ("0.50:0.95", values.mean(0), unknown),
                ):
                    tensors = (torch.from_numpy(np.array(part)) for part in (curve, scores))
                    found.append(Curve(PREFIX[kind], name, overlap, recall, *tensors))
        return found

    def _measured(self) -> list[Kind]:
        return [kind for kind in self._tallies if self._present.get(kind, True)]


def _summary(
    kind: Kind, tally: Tally, *, names: tuple[str, ...], limits: tuple[int, ...]
) -> dict[str, float]:
    """The numbers of one kind by name."""
    precision, recall = sweep(tally.rows(), tally.positives, limits)  # (C, A, T), (C, A, T, M)
    prefix = PREFIX[kind]
    found: dict[str, Floats] = {
        f"{prefix}/AP": precision[:, 0],
        f"{prefix}/AP50": precision[:, 0, 0],
        f"{prefix}/AP75": precision[:, 0, 5],
    }
    found |= {f"{prefix}/AR/{limit}": recall[:, 0, :, index] for index, limit in enumerate(limits)}
    if kind == "keypoints":
        found |= {f"{prefix}/AR50": recall[:, 0, 0, -1], f"{prefix}/AR75": recall[:, 0, 5, -1]}
    sizes = [area.name for area in ranges_of(kind)][1:]
    for index, size in enumerate(sizes, 1):
        found |= {f"{prefix}/AP/{size}": precision[:, index], f"{prefix}/AR/{size}": recall[:, index, :, -1]}
    for label, name in enumerate(names):
        key = f"{name} (class)" if name in ("small", "medium", "large") else name
        found |= {f"{prefix}/AP/{key}": precision[label, 0], f"{prefix}/AP50/{key}": precision[label, 0, :1]}
    return {name: float(known_mean(values)) for name, values in found.items()}
