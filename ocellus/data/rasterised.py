"""Objects as label maps: background is class 0, then the data set's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from ocellus.data.dataset import Annotation, Dataset, Lazy, Record
from ocellus.data.images import picture_size
from ocellus.data.instances import shape
from ocellus.data.label_maps import MOST_CLASSES, Survey
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.values import runs
from ocellus.values.segmentation import IGNORED

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class Rasterised:
    """The label map of the objects of one picture.

    Larger objects are painted first, so that smaller ones lie on them; crowd regions last, as ignored, but
    not over objects.

    Args:
        record: the picture, its annotations' labels counting from the background.
        names: of the classes, the background first.
    """

    record: Record
    names: tuple[str, ...]

    def __call__(self) -> NDArray[uint8]:
        """(H, W) classes.

        Raises:
            OcellusError: an object has no shape or no class, a mask is of another size, or the annotations
                cannot be read.
        """
        record = self.record
        size = record.size or picture_size(record.image)
        file = record.source or str(record.image)
        labels = np.zeros(size, uint8)
        painted: list[tuple[int, int, NDArray[np.int32]]] = []
        crowds: list[NDArray[np.int32]] = []
        for one in record.annotations:
            if one.label < 0:
                raise OcellusError(f"{file}, {one.source}: an object of no class; `ocellus check` tells more")
            if not one.rings and one.counts is None:
                raise OcellusError(f"{file}, {one.source}: the object has no outline or mask; {NO_SHAPE}")
            counts = shape(one, size, file=file)
            if one.crowd:
                crowds.append(counts)
            else:
                painted.append((int(counts[1::2].sum()), one.label, counts))
        for _, label, counts in sorted(painted, key=lambda entry: -entry[0]):
            _paint(labels, counts, label, over=True)
        for counts in crowds:
            _paint(labels, counts, IGNORED, over=False)
        return labels

    def shapeless(self) -> str:
        """Which objects have a box and no shape, as a phrase; "" where all have a shape.

        Raises:
            OcellusError: the annotations cannot be read.
        """
        found = [one.source for one in self.record.annotations if not one.rings and one.counts is None]
        if not found:
            return ""
        return f"{len(found)} objects have no outline or mask, {found[0]} first; they would be background"

    def survey(self) -> Survey:
        """The map, and its classes as the values that occur."""
        labels = self()
        counts = np.bincount(labels.reshape(-1), minlength=IGNORED + 1)
        rows = [(name, label, int(counts[label])) for label, name in enumerate(self.names) if counts[label]]
        if counts[IGNORED]:
            rows.append(("crowd", IGNORED, int(counts[IGNORED])))
        return Survey(labels, tuple(rows))


NO_SHAPE = "draw it, or train a detector (see/mask_rcnn) on the boxes"


def _paint(labels: NDArray[uint8], counts: NDArray[np.int32], label: int, *, over: bool) -> None:
    height, width = labels.shape
    left, top, right, bottom = runs.bounds(counts, height)
    if right <= left:
        return
    window = runs.decode_window(counts, (height, width), (left, top, right, bottom))
    view = labels[top:bottom, left:right]
    view[window if over else window & (view == 0)] = label


def rasterised(dataset: Dataset) -> Dataset:
    """A data set of objects as one of label maps.

    Raises:
        OcellusError: it has no classes, or more than label maps can tell apart.
    """
    if dataset.semantic:
        return dataset
    names = (BACKGROUND, *(name for name in dataset.labels.names if name != BACKGROUND))
    if len(names) == 1:
        raise OcellusError(f"{dataset.root} has no annotated classes; a label map for each picture is wanted")
    if len(names) > MOST_CLASSES:
        raise OcellusError(f"{dataset.root} has {len(names) - 1} classes; label maps tell 253 apart")
    labels = tuple(names.index(name) for name in dataset.labels.names)
    splits = {
        split: tuple(_with_map(record, names, labels) for record in records)
        for split, records in dataset.splits.items()
    }
    return replace(dataset, labels=LabelMap(names), splits=splits, skeleton=None, label_ids=(), colors=())


def _with_map(record: Record, names: tuple[str, ...], labels: tuple[int, ...]) -> Record:
    held = record.annotations
    counted = held.known if isinstance(held, Lazy) else len(held)
    moved = Lazy(partial(_relabelled, record.annotations, labels), counted)
    record = replace(record, annotations=moved)
    return replace(record, label_map=Rasterised(record, names))


def _relabelled(annotations: Sequence[Annotation], labels: tuple[int, ...]) -> tuple[Annotation, ...]:
    """With labels that count from the background; no keypoints, which a label map cannot hold."""
    return tuple(
        replace(one, label=labels[one.label] if one.label >= 0 else -1, keypoints=None)
        for one in iter(annotations)
    )
