"""Pictures of which nothing is said: a folder, one file, or a list; folders of splits are followed."""

from __future__ import annotations

from pathlib import Path

from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import pictures_under, relative_name
from ocellus.data.images import is_picture
from ocellus.data.split_lists import with_listed_split
from ocellus.data.splits import WHOLE, split_of, without_split
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether it is a picture, a list that names one, or a folder that holds one."""
    if path.is_file():
        return is_picture(path) or any(is_picture(file) for file in listed(path))
    return bool(pictures_under(path))


def read(path: Path) -> Dataset:
    """The pictures, with no classes."""
    if path.is_file():
        files = [path] if is_picture(path) else listed(path)
        missing = tuple(
            finding("list-unmatched", path, value=str(file)) for file in files if not file.is_file()
        )
        there = [file for file in files if file.is_file()]
        return dataset_of(path.parent, {WHOLE: there}, findings=missing)
    splits = {split: pictures_under(folder) for split, folder in split_folders(path)}
    return with_listed_split(dataset_of(path, splits))


def dataset_of(root: Path, splits: dict[str, list[Path]], *, findings: tuple[Finding, ...] = ()) -> Dataset:
    """A data set of pictures by split."""
    records = {
        split: tuple(Record(image=file, name=relative_name(file, root)) for file in files)
        for split, files in splits.items()
    }
    return Dataset(root=root, format="images", labels=LabelMap(()), splits=records, findings=findings)


def listed(path: Path) -> list[Path]:
    """The files that a text file names, a line each; relative names are from its folder."""
    if path.suffix.lower() not in (".txt", ".lst"):
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [path.parent / line.strip() for line in lines if line.strip() and not line.startswith("#")]


def split_folders(root: Path) -> list[tuple[str, Path]]:
    """(split, its folder): the folders in `root` that are called train, val or test, where there is a train.

    Else the whole folder is one split.
    """
    inside = sorted(place for place in root.iterdir() if place.is_dir() and not place.name.startswith("."))
    named = [(split_of(place.name), place) for place in inside if not without_split(place.name)]
    found = [(split, place) for split, place in named if split and pictures_under(place)]
    return found if any(split == "train" for split, _ in found) else [(WHOLE, root)]
