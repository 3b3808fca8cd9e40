"""Pairs in two folders: A/1.png and B/1.png, input and target, images and targets; the names pair them."""

from __future__ import annotations

from pathlib import Path

from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import pictures_under
from ocellus.data.pairs import TwoFiles
from ocellus.data.split_lists import with_listed_split
from ocellus.data.two_folders import Places, places_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap


def matches(path: Path) -> bool:
    """Whether a folder holds two folders of pictures, or each folder of a split in it does."""
    return path.is_dir() and bool(places_of(path))


def read(path: Path) -> Dataset:
    """The pairs; the first folder has the conditions. A picture without a partner is a finding.

    Raises:
        OcellusError: no picture of one folder has a partner in the other.
    """
    splits: dict[str, tuple[Record, ...]] = {}
    findings: list[Finding] = []
    for place in places_of(path):
        records, alone = matched(place, path)
        splits[place.split] = splits.get(place.split, ()) + records
        findings += alone
    return with_listed_split(
        Dataset(
            root=path, format="pair_folders", labels=LabelMap(()), splits=splits, findings=tuple(findings)
        )
    )


def matched(place: Places, root: Path) -> tuple[tuple[Record, ...], list[Finding]]:
    """The pairs of two folders, by the names of their files without the ending.

    Raises:
        OcellusError: there is none, or one of the folders is empty.
    """
    (first, doubled), (second, doubled_too) = (by_stem(folder) for folder in (place.first, place.second))
    shared = [stem for stem in first if stem in second]
    for folder, files in ((place.first, first), (place.second, second)):
        if not files:
            raise OcellusError(f"{folder} holds no picture: put in the partners of those beside it")
    if not shared:
        raise OcellusError(
            f"no picture of {place.first} ({len(first)}, first {next(iter(first.values())).name}) has a "
            f"partner of the same name in {place.second} ({len(second)}, first "
            f"{next(iter(second.values())).name}): name the two pictures of a pair alike"
        )
    findings = [
        finding("pair-alone", file, value=f"nothing of that name in {other}")
        for files, mate, other in ((first, second, place.second), (second, first, place.first))
        for stem, file in files.items()
        if stem not in mate
    ]
    findings += [
        finding("pair-alone", file, value=f"{kept.name} has its name and is taken")
        for file, kept in (*doubled, *doubled_too)
    ]
    records = tuple(
        Record(
            image=first[stem],
            name=first[stem].relative_to(root).as_posix(),
            source=str(second[stem]),
            pair=TwoFiles(condition=first[stem], answer=second[stem]),
        )
        for stem in shared
    )
    return records, findings


def by_stem(folder: Path) -> tuple[dict[str, Path], list[tuple[Path, Path]]]:
    """The pictures of a folder by their path in it, without the ending; those whose name another one has had
    before, with that one."""
    found: dict[str, Path] = {}
    doubled = []
    for file in pictures_under(folder):
        kept = found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
        if kept != file:
            doubled.append((file, kept))
    return found, doubled
