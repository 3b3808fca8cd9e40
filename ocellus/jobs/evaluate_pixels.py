"""Measuring what gives every pixel a class: intersection over union, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from math import isnan

import numpy as np
import torch
from numpy.typing import NDArray

from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import read_picture
from ocellus.errors import OcellusError
from ocellus.jobs.classes import class_map
from ocellus.jobs.model import Model
from ocellus.metrics.rand import MembraneScore
from ocellus.metrics.segmentation import PixelConfusion
from ocellus.report.evaluation import Confusion, Evaluation
from ocellus.report.gallery import Gallery
from ocellus.report.pixels import draw_example
from ocellus.values import Segmentation
from ocellus.values.segmentation import IGNORED


class Measure:
    """Takes the pictures of an evaluation one at a time; the classes are the model's, in its order.

    Args:
        model: a segmenter.
        dataset: whose records have label maps.
        records: the pictures to come.
        score: nothing is cut off here: every pixel has a class.
        boundaries: measure boundary IoU too, which takes longer.
        cells: the class that membranes part into cells: measure the Rand score too. "": do not.
        say: is told what a user should know.

    Raises:
        OcellusError: the model does not know the data's classes, or not the class of the cells.
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
        self.model = model
        self.names = model.header.labels
        self.colors = model.header.colors or dataset.colors
        self.labels = label_table(class_map(model, dataset, say=say))
        self.boundaries = boundaries
        self.membranes: MembraneScore | None = None
        if cells:
            if cells not in self.names:
                near = (get_close_matches(cells, self.names) or [", ".join(self.names[:12])])[0]
                raise OcellusError(
                    f"--cells {cells}: {model.source} has no such class; there is {near}", exit_code=2
                )
            self.membranes = MembraneScore(cells)
        self.confusion = self._empty()
        self.gallery: Gallery[Segmentation] = Gallery(draw=draw_example)

    def add(self, record: Record) -> None:
        """Look at one picture.

        Raises:
            OcellusError: it cannot be read, or its label map is of another size.
        """
        picture = read_picture(record.image, channels=self.model.channels)
        found: Segmentation = self.model(picture, probabilities=self.membranes is not None)
        truth = Segmentation(
            labels=torch.from_numpy(self.labels[true_map(record, found.size)]),
            names=self.names,
            colors=self.colors,
        )
        one = self._empty()
        one.add(found, truth)
        self.confusion.merge(one)
        if self.membranes is not None:
            self.membranes.add(found, truth)
            found = replace(found, probabilities=None)  # the gallery keeps pictures, not these
        quality, note = verdict(one)
        self.gallery.add(record.name, quality, picture=picture, prediction=found, truth=truth, note=note)

    def evaluation(self) -> Evaluation:
        """Figures, confusion matrix and pictures."""
        metrics, reasons = self.confusion.result(), self.confusion.reasons()
        if self.membranes is not None:
            metrics |= self.membranes.result()
            reasons |= self.membranes.reasons()
        counts = tuple(tuple(int(count) for count in row) for row in self.confusion.matrix().tolist())
        return Evaluation(
            metrics=metrics,
            confusion=Confusion(
                names=self.names, counts=counts, rule="Shares of the pixels of each true class."
            ),
            examples=self.gallery.examples(),
            reasons={name: reasons[name] for name in metrics if name in reasons},
            colors=self.colors,
        )

    def _empty(self) -> PixelConfusion:
        return PixelConfusion(self.names, boundary=self.boundaries)


def label_table(labels: torch.Tensor) -> NDArray[np.uint8]:
    """(256,) the model's label for each of the data set's; what is ignored stays so.

    Args:
        labels: (C,) the data set's label for each of the model's, or -1.
    """
    table = np.full(IGNORED + 1, IGNORED, np.uint8)
    for mine, theirs in enumerate(labels.tolist()):
        if theirs >= 0:
            table[theirs] = mine
    return table


def true_map(record: Record, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) the label map of a picture.

    Raises:
        OcellusError: there is none, or it is of another size than the picture.
    """
    if record.label_map is None:
        raise OcellusError(f"{record.image} has no label map: `ocellus check` tells more")
    truth = record.label_map()
    if truth.shape != size:
        file = record.source or f"of {record.image}"
        raise OcellusError(
            f"the label map {file} is {truth.shape[1]}x{truth.shape[0]}, its picture {record.image} is "
            f"{size[1]}x{size[0]}: `ocellus check --view classes` lists all of these"
        )
    return truth


def verdict(one: PixelConfusion) -> tuple[float, str]:
    """How well one picture went, 0 to 1 (mean IoU of the classes in it; nan: nothing known), and in words."""
    figures = one.result()
    quality, right = figures["mIoU"], figures["pixel_accuracy"]
    if isnan(right):
        return float("nan"), "nothing annotated"
    worst = [(figures[f"IoU/{name}"], name) for name in one.names if not isnan(figures[f"IoU/{name}"])]
    least = f", least {min(worst)[1]} {min(worst)[0]:.2f}" if len(worst) > 1 else ""
    return quality, f"{100 * right:.0f} % of pixels right{least}"
