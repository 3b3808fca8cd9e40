"""Measuring what finds objects: average precision, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import torch

from ocellus.data.dataset import Dataset, Record
from ocellus.data.instances import instances, pictured
from ocellus.errors import OcellusError
from ocellus.jobs.classes import class_map
from ocellus.jobs.model import Model
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.metrics.confusion import ConfusionMatrix
from ocellus.metrics.detections import PREFIX, Kind
from ocellus.metrics.oks import sigmas_of
from ocellus.report.evaluation import Confusion, Curve, Evaluation
from ocellus.report.gallery import Gallery, draw_example
from ocellus.values import Instances

OVERLAP = 0.5
"""Intersection over union from which a detection counts as of an object, in matrix and captions."""


class Measure:
    """Takes the pictures of an evaluation one at a time.

    Args:
        model: a detector.
        dataset: of objects.
        records: the pictures to come.
        score: from which a detection is drawn and counted in the confusion matrix.
        boundaries: makes no sense here.
        cells: nor does this.
        say: is told what a user should know.

    Raises:
        OcellusError: the model does not know the data's classes; or boundaries or cells are asked for, with
            exit code 2.
    """

    def __init__(
        self,
        model: Model,
        dataset: Dataset,
        records: tuple[Record, ...],
        *,
        score: float,
        boundaries: bool,
        cells: str,
        say: Callable[[str], None],
    ) -> None:
        if boundaries or cells:
            flag = "--boundaries" if boundaries else "--cells"
            raise OcellusError(
                f"{flag} is for classes of pixels; {model.header.system} finds objects", exit_code=2
            )
        self.model, self.dataset, self.score = model, dataset, score
        self.labels = class_map(model, dataset, say=say)
        kinds = kinds_of(model, dataset, records)
        sigmas: tuple[float, ...] = ()
        if "keypoints" in kinds and dataset.skeleton is not None:
            sigmas = sigmas_of(dataset.skeleton, (instances(record, dataset) for record in records))
        self.precision = AveragePrecision(dataset.labels.names, kinds=kinds, sigmas=sigmas)
        self.kind: Literal["boxes", "masks"] = "masks" if "masks" in kinds else "boxes"
        self.confusion = self._empty()
        self.gallery: Gallery[Instances] = Gallery(draw=partial(draw_example, score_threshold=score))
        self.count = 0

    def add(self, record: Record) -> None:
        """Look at one picture.

        Raises:
            OcellusError: it cannot be read.
        """
        truth = pictured(record, self.dataset)
        picture = truth.picture
        assert picture is not None
        found = relabelled(self.model(picture), self.labels, self.dataset)
        self.precision.add(found, truth, picture=self.count)
        self.count += 1
        one = self._empty()
        one.add(found, truth)
        self.confusion.merge(one)
        quality, note = verdict(one)
        self.gallery.add(record.name, quality, picture=picture, prediction=found, truth=truth, note=note)

    def evaluation(self) -> Evaluation:
        """Figures, curves, confusion matrix and pictures."""
        counts = tuple(tuple(int(count) for count in row) for row in self.confusion.matrix().tolist())
        return Evaluation(
            metrics=self.precision.result() | self.confusion.result(),
            curves=curves_of(self.precision, self.kind),
            confusion=Confusion(
                names=self.dataset.labels.names,
                counts=counts,
                rule=f"{self.kind} overlap by {OVERLAP:g} or more, score {self.score:g} or more",
            ),
            examples=self.gallery.examples(),
        )

    def _empty(self) -> ConfusionMatrix:
        names = self.dataset.labels.names
        return ConfusionMatrix(names, kind=self.kind, overlap=OVERLAP, score=self.score)


def kinds_of(model: Model, dataset: Dataset, records: tuple[Record, ...]) -> list[Kind]:
    """What can be measured: what the model says and the annotations hold."""
    config = model.header.settings()
    annotated = [entry for record in records for entry in record.annotations]
    kinds: list[Kind] = ["boxes"]
    if getattr(config, "mask_branch", False) and any(
        entry.rings or entry.counts is not None for entry in annotated
    ):
        kinds.append("masks")
    if getattr(config, "keypoints", 0) and dataset.skeleton is not None:
        kinds.append("keypoints")
    return kinds


def relabelled(found: Instances, labels: torch.Tensor, dataset: Dataset) -> Instances:
    """Predictions with the data set's labels; those of other classes left out."""
    there = labels[found.labels]
    return replace(found, labels=there, names=dataset.labels.names)[there >= 0]


def verdict(one: ConfusionMatrix) -> tuple[float, str]:
    """How well one picture went, 0 to 1 (F1 of objects found with their class), and it in words."""
    counts = one.matrix()
    right = int(counts.diagonal()[:-1].sum())
    found, truths = int(counts[:, :-1].sum()), int(counts[:-1].sum())
    note = f"{right} of {truths} found" + (f", {found - right} false" if found > right else "")
    return (2 * right / (found + truths) if found + truths else float("nan")), note


def curves_of(precision: AveragePrecision, kind: Kind) -> tuple[Curve, ...]:
    """Precision over recall at an overlap of 0.5: all classes, then each that has objects."""
    found = []
    for curve in precision.curves():
        if (
            curve.kind == PREFIX[kind]
            and curve.overlap == f"{OVERLAP:.2f}"
            and not curve.precision.isnan().any()
        ):
            rates = tuple(curve.recall.tolist()), tuple(curve.precision.tolist())
            found.append(Curve(name=curve.name or "all classes", recall=rates[0], precision=rates[1]))
    return tuple(found)
