"""A data set as its files say, in one form whatever the format: records of pictures and annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, overload

from numpy import int32, uint8
from numpy.typing import NDArray

from ocellus.labels import LabelMap, Skeleton
from ocellus.values.picture import Picture
from ocellus.values.rings import Ring


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something wrong with a data set.

    Args:
        severity: "refuse" (training would go wrong) or "warn".
        kind: a word to search and to sort by: "box-outside", "image-missing".
        file: the file at fault.
        where: the place in it: "annotation 17", "line 3".
        value: what stands there.
        message: what is wrong and how to mend it.
    """

    severity: str
    kind: str
    file: str
    where: str = ""
    value: str = ""
    message: str = ""


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Annotation:
    """One annotated object, in pixels of the picture as displayed; read, not yet checked.

    Args:
        label: index into the data set's class names; -1 where the file does not define its class.
        box: x1, y1, x2, y2, 0-based and exclusive; None where only a shape is given.
        rings: the polygons it was drawn as, or None.
        parts: how the rings make a mask: "union" (COCO: parts that may overlap) or "odd" (a ring inside
            another is a hole).
        counts: run lengths of its mask, or None; `run_size` is the (H, W) they are of.
        keypoints: K points of x, y, visibility, or None.
        crowd: a region that holds many objects.
        area: pixels, as annotated, or None.
        source: where it stands, for messages: "annotation 17", "line 3".
        findings: what the reader could not make sense of in it; that part is None.
    """

    label: int
    box: tuple[float, float, float, float] | None = None
    rings: tuple[Ring, ...] | None = None
    parts: str = "odd"
    counts: NDArray[int32] | None = None
    run_size: tuple[int, int] | None = None
    keypoints: tuple[tuple[float, float, float], ...] | None = None
    crowd: bool = False
    area: float | None = None
    source: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class Lazy(Sequence[Annotation]):
    """Annotations that are read from their file each time they are asked for, so that big sets stay small.

    Args:
        load: reads them; picklable, so that worker processes can have it.
        known: how many there are, where known without reading.
    """

    load: Callable[[], tuple[Annotation, ...]]
    known: int | None = None

    def __len__(self) -> int:
        return len(self.load()) if self.known is None else self.known

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.load())

    @overload
    def __getitem__(self, index: int) -> Annotation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Annotation, ...]: ...
    def __getitem__(self, index: int | slice) -> Annotation | tuple[Annotation, ...]:
        return self.load()[index]


class Pair(Protocol):
    """Reads two pictures that belong together; picklable."""

    def __call__(self, *, channels: tuple[int, int] = (3, 3)) -> tuple[Picture, Picture]:
        """The condition and the answer, each with so many channels.

        Raises:
            OcellusError: a file cannot be read, or the two differ in size.
        """


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Record:
    """One picture of a data set and what is annotated in it.

    Args:
        image: the picture's file, which may turn out to be missing or broken.
        name: its name within the data set, "train/0001.jpg".
        size: (H, W) as annotated, or None where the format does not say.
        annotations: the objects; where they are `Lazy` each look at them reads the file, so iterate once and
            keep what is needed.
        source: the file that annotates it.
        image_id: the number the format gives it, where it does.
        label_map: reads the class of every pixel: a picklable function that returns (H, W) uint8, indices in
            the data set's class names and 255 where nothing is annotated. None in a data set of objects.
        label: what the picture shows as a whole, an index into the data set's class names; in data sets of
            two domains 0 or 1, the domain. None in other data sets.
        pair: reads the condition and the answer, in data sets of pairs. Where pairs were parted into domains,
            the picture is the half that `label` numbers.
    """

    image: Path
    name: str
    size: tuple[int, int] | None = None
    annotations: Sequence[Annotation] = ()
    source: str = ""
    image_id: int | None = None
    label_map: Callable[[], NDArray[uint8]] | None = None
    label: int | None = None
    pair: Pair | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Pictures with annotations, by split.

    Args:
        root: the folder or file that was read.
        format: coco, voc, yolo, labelme, masks or images; of label maps class_masks, cityscapes, voc_classes
            or panoptic; of pictures that have one class each class_folders, class_table or drawings; of pairs
            pair_folders or side_by_side; of domains domain_folders or domain_pairs.
        labels: the class names; of label maps the background is one of them.
        splits: records of each split; "train", "val", and others as the format names them.
        skeleton: of the keypoints, where there are any.
        findings: what the reader could not make sense of and left out.
        split_rule: one sentence on where the splits come from.
        label_ids: the number that the files give each class, in the order of `labels`; empty where classes
            go by name.
        colors: RGB 0..255 of each class, where the files state colors.
        read_as: the view it was read as where its records do not tell: pictures, pairs or domains.
    """

    root: Path
    format: str
    labels: LabelMap
    splits: dict[str, tuple[Record, ...]]
    skeleton: Skeleton | None = None
    findings: tuple[Finding, ...] = field(default=())
    split_rule: str = ""
    label_ids: tuple[int, ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ()
    read_as: str = ""

    @property
    def semantic(self) -> bool:
        """Whether every pixel has a class, rather than objects being marked."""
        return any(record.label_map is not None for _, record in self.records())

    @property
    def view(self) -> str:
        """As what it was read: "objects", "classes" of all pixels, "labels" of whole pictures, "pictures"
        alone, "pairs" of them, or two "domains"."""
        if self.read_as:
            return self.read_as
        if any(record.label is not None for _, record in self.records()):
            return "labels"
        return "classes" if self.semantic else "objects"

    def records(self) -> Iterator[tuple[str, Record]]:
        """Every record with the name of its split."""
        for split, records in self.splits.items():
            for record in records:
                yield split, record

    def __len__(self) -> int:
        return sum(len(records) for records in self.splits.values())
