"""Splits that a file states: train.txt and val.txt, a picture a line, or a table with a column "split"."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ocellus.data.dataset import Dataset, Record
from ocellus.data.findings import finding
from ocellus.data.splits import split_of
from ocellus.errors import OcellusError

FOLDERS = ("", "ImageSets/Segmentation", "ImageSets", "splits", "lists")
SPLIT_COLUMNS = ("split", "subset", "fold", "set")
NAME_COLUMNS = ("file", "filename", "file_name", "image", "name", "picture", "path")
UNMATCHED = "a list of the splits names no picture that is there, and is not followed"


def with_listed_split(dataset: Dataset) -> Dataset:
    """The data set as lists beside it split it; as it is where there are none, or it has folders of splits.

    Pictures that no list names are left out, with a finding.

    Raises:
        OcellusError: a list cannot be read.
    """
    if "val" in dataset.splits or not dataset.root.is_dir():
        return dataset
    listed, file = read_lists(dataset.root)
    if file is None or "train" not in listed:
        return dataset
    places = {name: split for split, names in listed.items() for name in names}
    ends = endings(places)
    splits: dict[str, list[Record]] = {}
    findings = list(dataset.findings)
    used: set[str] = set()
    for _, record in dataset.records():
        spelt = spellings(record)
        name = next((name for name in spelt if name in places), None)
        name = name or next((ends[end] for end in spelt if ends.get(end)), None)
        if not name:
            findings.append(finding("picture-unlisted", record.image, where=Path(file).name))
        else:
            used.add(name)
            splits.setdefault(places[name], []).append(record)
    if not splits:
        nothing = finding("list-unmatched", file, value=f"none of {len(places)} names", detail=UNMATCHED)
        return replace(dataset, findings=(*dataset.findings, nothing))
    findings += [finding("list-unmatched", file, value=name) for name in places if name not in used]
    return replace(
        dataset,
        splits={name: tuple(splits[name]) for name in listed if name in splits},
        findings=tuple(findings),
        split_rule=f"as {file.relative_to(dataset.root).as_posix()} says",
    )


def read_lists(root: Path) -> tuple[dict[str, list[str]], Path | None]:
    """(split -> pictures as listed, a file that says so) of the lists in a folder; ({}, None): none there.

    Raises:
        OcellusError: a list cannot be read.
    """
    for folder in FOLDERS:
        files = {
            name: file
            for name in ("train", "val", "valid", "test")
            if (file := root / folder / f"{name}.txt").is_file()
        }
        if "train" in files:
            lists = {str(split_of(name)): _lines(file) for name, file in files.items()}
            return lists, files["train"]
    for file in sorted(root.glob("*.csv")):
        if lists := _table(file):
            return lists, file
    return {}, None


def _lines(file: Path) -> list[str]:
    """The first word of each line; the whole line, where it names a picture with spaces."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise OcellusError(
            f"cannot read {file} ({error}); it must be UTF-8 text, a picture a line"
        ) from error
    pairs = [line.split() for line in lines]
    two = all(len(pair) == 2 and Path(pair[1]).suffix for pair in pairs)  # picture and mask
    return [key(pair[0] if two else line) for pair, line in zip(pairs, lines, strict=True)]


def _table(file: Path) -> dict[str, list[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OcellusError(f"cannot read {file} ({error}); it must be UTF-8 text, a row a line") from error
    columns = {str(name).strip().lower(): name for name in rows[0]} if rows else {}
    by = next((columns[name] for name in SPLIT_COLUMNS if name in columns), None)
    named = next((columns[name] for name in NAME_COLUMNS if name in columns), None)
    found: dict[str, list[str]] = {}
    if by is not None and named is not None:
        for row in rows:
            if row[named] and row[by]:
                found.setdefault(split_of(row[by]) or row[by].strip().lower(), []).append(key(row[named]))
    return found


def key(name: str) -> str:
    """A picture's name as lists are compared: composed letters, slashes, no ending, no "./"."""
    path = PurePosixPath(unicodedata.normalize("NFC", name.strip().replace("\\", "/")))
    return str(path.with_suffix("") if path.suffix and not path.suffix[1:].isdigit() else path).lstrip("/")


def endings(names: Iterable[str]) -> dict[str, str]:
    """End of a listed path -> the path, "" where several end so: lists often begin at another folder."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for first in range(1, len(parts)):
            end = "/".join(parts[first:])
            found[end] = "" if end in found else name
    return found


def spellings(record: Record) -> Sequence[str]:
    """How a list may name a picture, the closest first: its path in the data set, or ends of it."""
    parts = PurePosixPath(key(record.image.as_posix())).parts
    return ["/".join(parts[first:]) for first in range(len(parts))]
