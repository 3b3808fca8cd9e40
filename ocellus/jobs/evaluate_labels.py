"""Measuring what says what a picture shows: how often it is right, how sure, and what is taken for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import read_picture
from ocellus.draw.classification import percent
from ocellus.errors import OcellusError
from ocellus.jobs.classes import class_map
from ocellus.jobs.model import Model
from ocellus.metrics.classification import OF_CLASSES, ClassConfusion
from ocellus.report.evaluation import Confusion, Evaluation
from ocellus.report.gallery import Gallery
from ocellus.report.labels import draw_example
from ocellus.values import Classification

AGREE = 0.9
"""Share of the classes whose number and name have to agree for a table's numbers to be the model's."""


class Measure:
    """Takes the pictures of an evaluation one at a time; the classes are the model's, in its order.

    Args:
        model: a classifier.
        dataset: whose records have labels.
        records: the pictures to come.
        score: nothing is cut off here: each picture has a likeliest class.
        boundaries: makes no sense here.
        cells: the same.
        say: is told what a user should know.

    Raises:
        OcellusError: the model does not know the data's classes; or something of pixels is asked for, with
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
            raise OcellusError(
                f"--{'boundaries' if boundaries else 'cells'} is for classes of pixels; "
                f"{model.header.system} says what a picture shows as a whole",
                exit_code=2,
            )
        self.model = model
        self.names = model.header.labels
        self.labels = model_labels(model, dataset, say=say)
        self.confusion = ClassConfusion(self.names)
        self.gallery: Gallery[Classification] = Gallery(draw=draw_example)

    def add(self, record: Record) -> None:
        """Look at one picture.

        Raises:
            OcellusError: it cannot be read, or has no class.
        """
        if record.label is None:
            raise OcellusError(f"{record.image} has no class: `ocellus check` tells more")
        picture = read_picture(record.image, channels=self.model.channels)
        found: Classification = self.model(picture)
        label = self.labels[record.label]
        self.confusion.add(found.probabilities, label)
        quality, note = verdict(found, label)
        certain = torch.zeros(len(self.names))
        certain[label] = 1
        truth = Classification(probabilities=certain, names=self.names)
        self.gallery.add(record.name, quality, picture=picture, prediction=found, truth=truth, note=note)

    def evaluation(self) -> Evaluation:
        """Figures, confusion matrix and pictures. Figures of classes that the data does not have are left
        out."""
        there = set(self.labels)
        absent = {
            f"{kind}/{name}"
            for label, name in enumerate(self.names)
            for kind in OF_CLASSES
            if label not in there
        }
        reasons = self.confusion.reasons()
        metrics = {name: value for name, value in self.confusion.result().items() if name not in absent}
        return Evaluation(
            metrics=metrics,
            confusion=matrix_of(self.confusion),
            examples=self.gallery.examples(),
            reasons={name: reasons[name] for name in metrics if name in reasons},
        )


def matrix_of(confusion: ClassConfusion) -> Confusion:
    """The classes that occur, as truths or answers, against each other."""
    matrix = confusion.matrix()
    used = torch.nonzero(matrix.sum(dim=0) + matrix.sum(dim=1)).flatten()
    rows: list[list[int]] = matrix[used][:, used].tolist()
    return Confusion(
        names=tuple(confusion.names[label] for label in used.tolist()),
        counts=tuple(map(tuple, rows)),
        rule="Shares of the pictures of each true class.",
        unit="pictures",
    )


def model_labels(model: Model, dataset: Dataset, *, say: Callable[[str], None]) -> list[int]:
    """The model's label for each of the data set's.

    They go by name. Where a table has numbers too, and nearly all of them are the model's numbers of these
    names, the numbers decide: two lists of ImageNet's classes call some of them by different names.

    Raises:
        OcellusError: the data set has classes that the model does not know.
    """
    known, wanted, numbers = model.header.labels, dataset.labels.names, dataset.label_ids
    if numbers and all(0 <= number < len(known) for number in numbers):
        pairs = list(zip(wanted, numbers, strict=True))
        other = [(name, number) for name, number in pairs if known[number] != name]
        if len(other) <= (1 - AGREE) * len(wanted):
            for name, number in other[:5]:
                say(f"class {number} of {dataset.root}, {name}, is the model's {known[number]}")
            return list(numbers)
    found: Any = class_map(model, dataset, say=say)
    return [int((found == label).nonzero()[0]) for label in range(len(wanted))]


def verdict(found: Classification, label: int) -> tuple[float, str]:
    """How well one picture went, the probability of its class, and in words."""
    share, name = float(found.probabilities[label]), found.name(label)
    if found.label == label:
        return share, f"{name}, {percent(share)} sure"
    return share, f"{name}, taken for {found.name(found.label)} ({percent(share)} for {name})"
