"""A data set from whatever the user points at: the format is found from the files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal

from ocellus.data import (
    cityscapes,
    class_folders,
    class_masks,
    class_table,
    coco,
    coco_panoptic,
    domain_folders,
    domain_pairs,
    id_masks,
    labelme,
    pair_folders,
    picture_folders,
    plain_images,
    quickdraw,
    side_by_side,
    voc,
    voc_classes,
    yolo,
)
from ocellus.data.dataset import Dataset
from ocellus.data.json_stream import elements
from ocellus.data.rasterised import rasterised
from ocellus.data.splits import with_split
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

# The order matters: the first that matches reads. Formats with a file of their own come before guesses.
READERS: dict[str, ModuleType] = {
    "coco": coco,
    "yolo": yolo,
    "labelme": labelme,
    "voc": voc,
    "masks": id_masks,
    "images": plain_images,
}
# Formats that give every pixel a class; they come before those of objects where classes are asked for.
CLASS_READERS: dict[str, ModuleType] = {
    "cityscapes": cityscapes,
    "panoptic": coco_panoptic,
    "voc_classes": voc_classes,
    "class_masks": class_masks,
}
# Formats that say what each picture shows as a whole.
LABEL_READERS: dict[str, ModuleType] = {
    "class_table": class_table,
    "drawings": quickdraw,
    "class_folders": class_folders,
}
# What is learnt from is the pictures themselves.
PICTURE_READERS: dict[str, ModuleType] = {"drawings": quickdraw, "pictures": picture_folders}
PAIR_READERS: dict[str, ModuleType] = {"pair_folders": pair_folders, "side_by_side": side_by_side}
DOMAIN_READERS: dict[str, ModuleType] = {"domain_folders": domain_folders, "domain_pairs": domain_pairs}
View = Literal["objects", "classes", "labels", "pictures", "pairs", "domains"]
VIEWS: dict[str, dict[str, ModuleType]] = {
    "objects": READERS,
    "classes": CLASS_READERS | READERS,
    "labels": LABEL_READERS,
    "pictures": PICTURE_READERS,
    "pairs": PAIR_READERS,
    "domains": DOMAIN_READERS,
}
KNOWN = "COCO's JSON, YOLO's data.yaml, LabelMe's JSON, VOC's XML, folders images and masks, or pictures"
KNOWN_OF = {
    "labels": "a folder of pictures for each class, a .csv with columns file and label, or QuickDraw's files",
    "pictures": "a folder of pictures, a list of them (.txt), or QuickDraw's files",
    "pairs": "two folders of pictures named alike (A and B), or pictures with both halves side by side",
    "domains": "two folders of pictures (A and B, trainA and trainB), or pairs side by side",
}


def read(
    path: str | os.PathLike[str],
    *,
    val_fraction: float = 0.2,
    form: str | None = None,
    view: View = "objects",
) -> Dataset:
    """The data set in a folder or file: COCO, YOLO, LabelMe, Pascal VOC, masks or plain pictures.

    Args:
        path: a folder, or a file that describes the data set.
        val_fraction: the share of pictures to validate on where the format states no split.
        form: coco, yolo, labelme, voc, masks or images, for a folder that several formats fit; of label maps
            cityscapes, panoptic, voc_classes or class_masks; of labels class_table, drawings or
            class_folders; of pictures drawings or pictures; of pairs pair_folders or side_by_side; of domains
            domain_folders or domain_pairs.
        view: "objects" that are marked; or "classes" of all pixels: each record then has a label map, from a
            format of label maps where there is one, else made from the objects, with the background first; or
            "labels": each record has a label, what the picture shows as a whole; or nothing but "pictures";
            or "pairs" of them, condition and answer: each record has a `pair`; or two "domains" that are not
            paired: each record has the label 0 or 1.

    Raises:
        OcellusError: nothing there, nothing known, a broken file (with line and column), or a choice to make.
    """
    place = Path(path).expanduser()
    if view not in VIEWS:
        raise OcellusError(f"there is no view {view!r} of data; there are {', '.join(VIEWS)}", exit_code=2)
    readers, known = VIEWS[view], KNOWN_OF.get(view, KNOWN)
    if form is not None and form not in readers:
        raise OcellusError(f"there is no format {form!r}; there are {', '.join(readers)}", exit_code=2)
    if not place.exists():
        message = (
            f"there is no {place}; check the path: wanted is a folder of annotated pictures, or its file"
        )
        raise OcellusError(message)
    try:
        if place.is_dir() and not any(place.iterdir()):
            raise OcellusError(f"{place} is an empty folder; wanted are {known}")
        found = form or next((name for name, reader in readers.items() if reader.matches(place)), None)
        if found is None:
            raise _unknown(place, known)
        dataset = readers[found].read(place)
    except OSError as error:
        message = (
            f"cannot read {error.filename or place}: {error.strerror or error}; check its rights and the disk"
        )
        raise OcellusError(message) from error
    return with_split(viewed_as(dataset, view), val_fraction)


def viewed_as(dataset: Dataset, view: View) -> Dataset:
    """What was read, as a view wants it."""
    if view == "classes":
        return rasterised(dataset)
    if view in ("objects", "labels"):
        return dataset
    if view == "pictures":  # drawings have classes
        splits = {
            split: tuple(replace(record, label=None) for record in records)
            for split, records in dataset.splits.items()
        }
        dataset = replace(dataset, splits=splits, labels=LabelMap(()))
    return replace(dataset, read_as=view)


def _unknown(path: Path, known: str) -> OcellusError:
    if path.is_dir():
        some = ", ".join(sorted(entry.name for entry in path.iterdir())[:6])
        return OcellusError(f"{path} holds nothing that can be read (it has {some}); wanted are {known}")
    if path.stat().st_size == 0:
        return OcellusError(f"{path} is empty (0 bytes); copy or export it again")
    if path.suffix.lower() == ".json" and known == KNOWN:
        for _ in elements(path):  # broken JSON says where
            pass
        message = (
            f"{path} is JSON, but neither COCO's (images, annotations, categories) nor LabelMe's (shapes)"
        )
        return OcellusError(f"{message}; export it again as one of them")
    return OcellusError(f"{path} is of no known kind; wanted are {known}")
