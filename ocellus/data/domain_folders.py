"""Pictures of two domains that are not paired: trainA and trainB, or two folders of any name."""

from __future__ import annotations

from pathlib import Path

from ocellus.data.dataset import Dataset, Record
from ocellus.data.folders import pictures_under
from ocellus.data.two_folders import LETTERED, places_of
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether a folder holds two folders of pictures, or each folder of a split in it does."""
    return path.is_dir() and bool(places_of(path))


def read(path: Path) -> Dataset:
    """The pictures; `label` is 0 for the first domain and 1 for the second."""
    splits: dict[str, tuple[Record, ...]] = {}
    names: tuple[str, str] = ("A", "B")
    for place in places_of(path):
        if not LETTERED.match(place.first.name.lower()):
            within = place.first.parent.name == place.second.parent.name
            names = (
                (place.first.name, place.second.name)
                if within
                else (place.first.parent.name, place.second.parent.name)
            )
        for label, folder in enumerate((place.first, place.second)):
            records = tuple(
                Record(image=file, name=file.relative_to(path).as_posix(), source=names[label], label=label)
                for file in pictures_under(folder)
            )
            splits[place.split] = splits.get(place.split, ()) + records
    return Dataset(root=path, format="domain_folders", labels=LabelMap(names), splits=splits)
