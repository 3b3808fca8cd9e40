"""Pascal VOC's classes of pixels: JPEGImages and SegmentationClass/*.png, splits in ImageSets/Segmentation.

The PNGs have a palette: 0 is background, 1 to 20 are VOC's classes, 255 is the border, which is ignored. A
list beside them (labelmap.txt, labels.txt) says other classes. Source: Everingham 2010, "The Pascal Visual
Object Classes (VOC) Challenge", development kit.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocellus.data.class_keys import classes_of
from ocellus.data.class_lists import Color, Listed, find_lists
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import Finder, pictures_under, relative_name
from ocellus.data.label_maps import LabelFile
from ocellus.data.split_lists import with_listed_split
from ocellus.data.splits import WHOLE
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

MASKS, IMAGES = "SegmentationClass", "JPEGImages"
NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
BORDER = (224, 224, 192)  # the palette's colour of 255


def color(number: int) -> Color:
    """VOC's colour of a number: its bits dealt out to red, green and blue, the lowest first and highest."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (number >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


VOC = tuple(Listed(name, number, color(number)) for number, name in enumerate(NAMES))


def matches(path: Path) -> bool:
    """Whether a folder has VOC's folders."""
    return path.is_dir() and (path / MASKS).is_dir() and (path / IMAGES).is_dir()


def read(path: Path) -> Dataset:
    """The pictures that have a label map.

    Raises:
        OcellusError: none has.
    """
    masks = path / MASKS
    finder = Finder([path / IMAGES])
    found: list[tuple[Path, Path]] = []
    findings: list[Finding] = []
    for mask in pictures_under(masks):
        image = finder.find_stem(mask.relative_to(masks).with_suffix("").as_posix())
        if image is None:
            findings.append(finding("label-map-unused", mask))
        else:
            found.append((image, mask))
    if not found:
        raise OcellusError(f"{path} has no picture in {IMAGES} with a mask of its name in {MASKS}")
    lists = find_lists([path])
    own = bool(lists.names or lists.colors)
    border = Listed("border", None, BORDER)
    if not own:
        lists = lists._replace(names=VOC, colors=(*VOC, border))
    elif lists.colors and not any(one.color == BORDER for one in lists.colors):
        lists = lists._replace(colors=(*lists.colors, border))
    classes = classes_of(path, [mask for _, mask in found], lists)
    records = tuple(
        Record(
            image=image,
            name=relative_name(image, path),
            source=str(mask),
            label_map=LabelFile(mask, classes.key),
        )
        for image, mask in found
    )
    dataset = Dataset(
        root=path,
        format="voc_classes",
        labels=LabelMap(classes.names),
        splits={WHOLE: records},
        findings=tuple(findings),
        label_ids=classes.numbers,
        colors=classes.colors,
    )
    listed = with_listed_split(dataset)
    if listed is dataset:
        return dataset
    # VOC lists a part of its pictures; the others are no fault
    kept = tuple(one for one in listed.findings if one.kind != "picture-unlisted")
    return replace(listed, findings=kept)
