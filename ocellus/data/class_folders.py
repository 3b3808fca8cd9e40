"""A folder for each class, with its pictures: cat/0001.jpg, dog/0002.jpg; or so within train and val.

This is the layout of torchvision's ImageFolder: classes are numbered in the order of their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import IMAGE_FOLDERS, pictures_under
from ocellus.data.images import is_picture
from ocellus.data.splits import WHOLE, split_of, without_split
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether a folder holds folders of pictures."""
    return path.is_dir() and any(
        pictures_under(folder) for _, place in places(path) for folder in inside(place)
    )


def read(path: Path) -> Dataset:
    """The pictures, with the class whose folder they lie in; folders within that make no difference.

    Raises:
        OcellusError: no folder of a class holds a picture.
    """
    found: list[tuple[str, str, Path]] = []  # split, class, picture
    names: set[str] = set()
    findings: list[Finding] = []
    for split, place in places(path):
        for folder in inside(place):
            names.add(folder.name)
            found += [(split, folder.name, picture) for picture in pictures_under(folder)]
        loose = (file for file in place.iterdir() if is_picture(file) and not file.name.startswith("."))
        findings += [finding("picture-classless", file) for file in sorted(loose)]
    if not found:
        raise OcellusError(f"{path} has no folder of pictures; wanted is one a class: cat/1.jpg, dog/1.jpg")
    labels = LabelMap(tuple(sorted(names)))
    splits: dict[str, list[Record]] = {}
    for split, name, picture in found:
        record = Record(
            image=picture, name=picture.relative_to(path).as_posix(), source=name, label=labels.index(name)
        )
        splits.setdefault(split, []).append(record)
    return Dataset(
        root=path,
        format="class_folders",
        labels=labels,
        splits={split: tuple(records) for split, records in splits.items()},
        findings=tuple(findings),
    )


def places(root: Path) -> Sequence[tuple[str, Path]]:
    """(split, the folder of its classes' folders).

    Folders called train, val and the like are splits where all are and hold folders in turn; else they are
    classes, for trains are a class too.
    """
    folders = inside(root)
    if len(folders) == 1 and folders[0].name in IMAGE_FOLDERS:
        return places(folders[0])
    splits = [(split_of(folder.name), folder) for folder in folders]
    if splits and all(
        split and not without_split(folder.name) and inside(folder) for split, folder in splits
    ):
        return [(str(split), folder) for split, folder in splits]
    return [(WHOLE, root)]


def inside(folder: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones and what archives leave behind; sorted."""
    return sorted(
        place for place in folder.iterdir() if place.is_dir() and not place.name.startswith((".", "__"))
    )
