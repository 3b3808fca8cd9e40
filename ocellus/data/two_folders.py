"""Finding two folders that stand beside each other: of pairs, or of two domains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ocellus.data.folders import pictures_under
from ocellus.data.splits import WHOLE, split_of, without_split

KNOWN = (
    ("a", "b"),
    ("input", "target"),
    ("inputs", "targets"),
    ("input", "output"),
    ("inputs", "outputs"),
    ("images", "targets"),
    ("image", "target"),
    ("source", "target"),
    ("condition", "answer"),
    ("conditions", "answers"),
    ("before", "after"),
)
"""Names by which the first of the two is known; else it is the first by the alphabet."""
LETTERED = re.compile(r"^(.*?)[-_. ]?([ab])$")


class Places(NamedTuple):
    """The two folders of a split."""

    split: str
    first: Path
    second: Path


def places_of(root: Path) -> list[Places]:
    """The two folders of each split; empty where there are not exactly two beside each other.

    Known are A and B (or two others); each with folders train, val and test in it; within folders train, val
    and test; and trainA, trainB, testA, testB.
    """
    inside = folders_in(root)
    lettered = of_letters(all_folders_in(root))
    if lettered:
        return [place for place in lettered if filled(place)]
    splits = [(split_of(place.name), place) for place in inside if not without_split(place.name)]
    named = [(split, place) for split, place in splits if split]
    if named:
        found = [(split, two_of(all_folders_in(place))) for split, place in named]
        return [Places(split, *two) for split, two in found if two]
    two = two_of(all_folders_in(root))
    if two is None or not inside:
        return []
    parts = [{str(split_of(p.name)): p for p in all_folders_in(side) if split_name(p)} for side in two]
    shared = [split for split in parts[0] if split in parts[1]]
    if shared:
        places = [Places(split, parts[0][split], parts[1][split]) for split in shared]
        return [place for place in places if filled(place)]
    return [Places(WHOLE, *two)]


def of_letters(folders: list[Path]) -> list[Places]:
    """trainA beside trainB, testA beside testB."""
    known: dict[str, dict[str, Path]] = {}
    for folder in folders:
        parted = LETTERED.match(folder.name.lower())
        if parted and split_of(parted[1]) and not without_split(parted[1]):
            known.setdefault(str(split_of(parted[1])), {})[parted[2]] = folder
    return [Places(split, two["a"], two["b"]) for split, two in known.items() if len(two) == 2]


def two_of(folders: list[Path]) -> tuple[Path, Path] | None:
    """The two of some folders, the first by its name first; None where it is not clear which they are."""
    named = {folder.name.lower(): folder for folder in folders}
    for first, second in KNOWN:
        if first in named and second in named:
            return named[first], named[second]
    full = [folder for folder in folders if pictures_under(folder)]
    if len(full) == 2 and not any(split_name(folder) for folder in full):
        return full[0], full[1]
    return None


def filled(place: Places) -> bool:
    """Whether one of the two folders holds pictures."""
    return bool(pictures_under(place.first) or pictures_under(place.second))


def split_name(folder: Path) -> bool:
    """Whether a folder is called after a split and nothing else."""
    return bool(split_of(folder.name)) and not without_split(folder.name)


def folders_in(place: Path) -> list[Path]:
    """The folders in a folder that hold pictures, sorted; hidden ones are left out."""
    return [folder for folder in all_folders_in(place) if pictures_under(folder)]


def all_folders_in(place: Path) -> list[Path]:
    """The folders in a folder, sorted; hidden ones are left out, empty ones are not."""
    return sorted(
        entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))
    )
