"""A folder of pictures and a folder of masks of the same names, whose pixels are numbers; 0 is background.

With no list of classes, or a list of one, every other number is one object of that class ("object" where no
list names it), 255 too. With a list of several (classes.txt or labels.txt: a name a line, or "number name"),
a number below 1000 is one object of the class of that number, and a larger one is the object number % 1000 of
the class number // 1000, as in Cityscapes; 255 in 8 bits and 65535 in 16 are then neither class nor
background. Names without numbers count from 0 where the first is "background"; several names of which none is
are refused, for nothing says whether the first is 0 or 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ocellus.data.dataset import Annotation, Dataset, Finding, Lazy, Record
from ocellus.data.findings import finding
from ocellus.data.folders import IMAGE_FOLDERS, Finder, pictures_under, relative_name
from ocellus.data.masks_png import object_runs, read_ids
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "ids",
    "Annotations",
    "SegmentationObject",
    "gt",
    "label",
    "annotations",
)
NAME_FILES = ("classes.txt", "labels.txt", "masks/classes.txt", "masks/labels.txt")
BACKGROUND = ("background", "_background_", "__background__", "bg", "배경")
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")
PER_CLASS = 1000


def matches(path: Path) -> bool:
    """Whether a folder holds pictures and masks of the same names."""
    if path.is_file():
        return False
    return any(
        _mask(Finder([masks]), image, images)
        for images, masks in _pairs(path)
        for image in pictures_under(images)[:50]
    )


def read(path: Path) -> Dataset:
    """A data set from the folder that holds both.

    Raises:
        OcellusError: the list of classes cannot be read.
    """
    classes = _classes(path)
    values = Values(numbers=tuple(sorted(classes)))
    findings: list[Finding] = []
    splits: dict[str, list[Record]] = {}
    for images, masks in _pairs(path):
        finder = Finder([masks])
        used = set()
        for image in pictures_under(images):
            mask = _mask(finder, image, images)
            if mask is None:
                findings.append(finding("picture-unannotated", image))
                continue
            used.add(mask)
            name = relative_name(image, path)
            record = Record(
                image=image, name=name, annotations=Lazy(partial(values.read, mask)), source=str(mask)
            )
            words = [split_of(part) for part in image.relative_to(path).parts[:-1]]
            splits.setdefault(next((word for word in words if word), WHOLE), []).append(record)
        lost = [mask for mask in pictures_under(masks) if mask not in used]
        findings += [finding("annotation-orphan", mask) for mask in lost]
    whole = [record for held in splits.values() for record in held]
    return Dataset(
        root=path,
        format="masks",
        labels=LabelMap(tuple(classes[number] for number in values.numbers)),
        splits={WHOLE: tuple(whole)} if WHOLE in splits else {k: tuple(v) for k, v in splits.items()},
        findings=tuple(findings),
        label_ids=values.numbers,
    )


@dataclass(frozen=True)
class Values:
    """What the numbers of a mask stand for.

    Args:
        numbers: the number of each class, in the order of the labels.
    """

    numbers: tuple[int, ...]

    def read(self, mask: Path) -> tuple[Annotation, ...]:
        """The objects of one mask, by rising number."""
        try:
            ids = read_ids(mask)
        except OcellusError as error:
            lost = finding("file-unreadable", mask, detail=str(error))
            return (Annotation(label=-1, source="the mask", findings=(lost,)),)
        size = (int(ids.shape[0]), int(ids.shape[1]))
        ignored = 255 if ids.dtype == np.uint8 else 65535
        found = []
        for value, counts in object_runs(ids).items():
            findings: tuple[Finding, ...] = ()
            if len(self.numbers) == 1:
                label = 0
            else:
                number = value // PER_CLASS if value >= PER_CLASS else value
                if number not in self.numbers:
                    if value == ignored:
                        continue
                    findings = (finding("mask-value", mask, where=f"value {value}", value=str(value)),)
                label = self.numbers.index(number) if number in self.numbers else -1
            source = f"value {value}"
            found.append(
                Annotation(label=label, counts=counts, run_size=size, source=source, findings=findings)
            )
        return tuple(found)


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    """(folder of pictures, folder of masks), at the root or in the folder of each split."""
    pairs = []
    places = (
        [root, *sorted(p for p in root.iterdir() if p.is_dir() and split_of(p.name))] if root.is_dir() else []
    )
    for place in places:
        images = next((place / name for name in IMAGE_FOLDERS if (place / name).is_dir()), None)
        masks = next((place / name for name in MASK_FOLDERS if (place / name).is_dir()), None)
        if images and masks:
            pairs.append((images, masks))
    return pairs


def _mask(finder: Finder, image: Path, images: Path) -> Path | None:
    stem = image.relative_to(images).with_suffix("").as_posix()
    for ending in ("", "_mask", "_ids", "_instanceIds"):
        if found := finder.find_stem(stem + ending, SUFFIXES):
            return found
    return None


def _classes(root: Path) -> dict[int, str]:
    """Number -> class name."""
    file = next((root / name for name in NAME_FILES if (root / name).is_file()), None)
    if file is None:
        return {1: "object"}
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise OcellusError(f"cannot read {file} ({error}); it must be UTF-8 text, a class a line") from error
    numbered = [re.fullmatch(r"(\d+)[\s:,;]+(.+)", line) for line in lines]
    if lines and all(numbered):
        named = {int(match[1]): match[2].strip() for match in numbered if match}
    else:
        from_zero = bool(lines) and lines[0].lower() in BACKGROUND
        if len(lines) > 1 and not from_zero:
            message = (
                f"{file} lists classes without saying which number the first, {lines[0]!r}, has in the masks"
            )
            cure = f"write lines such as '1 {lines[0]}', or put background first"
            raise OcellusError(f"{message}; {cure}; label maps are read with --view classes")
        named = dict(enumerate(lines, 0 if from_zero else 1))
    named.pop(0, None)
    if not named:
        raise OcellusError(f"{file} names no class; write one a line, or remove the file")
    if len(set(named.values())) < len(named):
        raise OcellusError(f"{file} names a class twice; each class needs its own name")
    return named
