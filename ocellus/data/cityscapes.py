"""Cityscapes: leftImg8bit/<split>/<city>/*.png and gtFine/<split>/<city>/*_labelIds.png.

The 34 label numbers become the 19 classes that are trained and measured, all others are ignored. Where only
*_labelTrainIds.png are there, their numbers are these classes already. Source: Cordts 2016
(arXiv:1604.01685), section 3.4 and the published table of labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ocellus.data.class_lists import Color
from ocellus.data.class_masks import joined
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import pictures_under, relative_name
from ocellus.data.label_maps import LabelFile, Numbers
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.values.segmentation import IGNORED

IMAGES, IMAGE_END = "leftImg8bit", "_leftImg8bit.png"
MAPS = ("gtFine", "gtCoarse")
HIGHEST = 34


class Class(NamedTuple):
    """One of the classes that are trained."""

    number: int
    name: str
    color: Color


CLASSES = (
    Class(7, "road", (128, 64, 128)),
    Class(8, "sidewalk", (244, 35, 232)),
    Class(11, "building", (70, 70, 70)),
    Class(12, "wall", (102, 102, 156)),
    Class(13, "fence", (190, 153, 153)),
    Class(17, "pole", (153, 153, 153)),
    Class(19, "traffic light", (250, 170, 30)),
    Class(20, "traffic sign", (220, 220, 0)),
    Class(21, "vegetation", (107, 142, 35)),
    Class(22, "terrain", (152, 251, 152)),
    Class(23, "sky", (70, 130, 180)),
    Class(24, "person", (220, 20, 60)),
    Class(25, "rider", (255, 0, 0)),
    Class(26, "car", (0, 0, 142)),
    Class(27, "truck", (0, 0, 70)),
    Class(28, "bus", (0, 60, 100)),
    Class(31, "train", (0, 80, 100)),
    Class(32, "motorcycle", (0, 0, 230)),
    Class(33, "bicycle", (119, 11, 32)),
)
LABEL_IDS = Numbers(
    (
        *(
            (number, IGNORED)
            for number in (*range(HIGHEST), 255)
            if number not in {one.number for one in CLASSES}
        ),
        *((one.number, label) for label, one in enumerate(CLASSES)),
    )
)
TRAIN_IDS = Numbers(((IGNORED, IGNORED), *((label, label) for label in range(len(CLASSES)))))
KEYS = {"_labelIds": LABEL_IDS, "_labelTrainIds": TRAIN_IDS}


def matches(path: Path) -> bool:
    """Whether a folder is laid out as Cityscapes is."""
    return _home(path) is not None


def read(path: Path) -> Dataset:
    """The pictures that have a label map.

    Raises:
        OcellusError: none has.
    """
    maps = _home(path)
    if maps is None:
        raise OcellusError(f"{path} is not laid out as Cityscapes: wanted are leftImg8bit and gtFine")
    findings: list[Finding] = []
    splits: dict[str, list[Record]] = {}
    used = set()
    for image in pictures_under(path / IMAGES):
        if not image.name.endswith(IMAGE_END):
            continue
        place = image.relative_to(path / IMAGES)
        stem = f"{place.as_posix().removesuffix(IMAGE_END)}_{maps.name}"
        found = next(
            ((file, key) for end, key in KEYS.items() if (file := maps / f"{stem}{end}.png").is_file()), None
        )
        if found is None:
            findings.append(finding("label-map-missing", image))
            continue
        used.add(found[0])
        record = Record(
            image=image, name=relative_name(image, path), source=str(found[0]), label_map=LabelFile(*found)
        )
        splits.setdefault(split_of(place.parts[0]) or WHOLE, []).append(record)
    lost = [file for file in pictures_under(maps) if file.stem.endswith("_labelIds") and file not in used]
    findings += [finding("label-map-unused", file) for file in lost]
    if not splits:
        raise OcellusError(
            f"{path} has no picture *{IMAGE_END} with a map *_labelIds.png; see the layout of Cityscapes"
        )
    return Dataset(
        root=path,
        format="cityscapes",
        labels=LabelMap(tuple(one.name for one in CLASSES)),
        splits=joined(splits),
        findings=tuple(findings),
        label_ids=tuple(one.number for one in CLASSES),
        colors=tuple(one.color for one in CLASSES),
    )


def _home(path: Path) -> Path | None:
    """The folder of label maps."""
    if path.is_file() or not (path / IMAGES).is_dir():
        return None
    return next((path / name for name in MAPS if (path / name).is_dir()), None)
