"""A table of pictures and their classes: a .csv (or .tsv) with a column `file` and a column `label`.

Also known are other usual headings, a column `split`, and a column of class numbers (`class_index`), which
order the classes. Tables called train.csv and val.csv are splits.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import finding
from ocellus.data.folders import IMAGE_FOLDERS, Finder
from ocellus.data.split_lists import NAME_COLUMNS, SPLIT_COLUMNS
from ocellus.data.splits import WHOLE, split_of
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

LABEL_COLUMNS = ("label", "class", "category", "class_name", "label_name", "target", "species", "breed")
NUMBER_COLUMNS = ("class_index", "class_id", "label_id", "label_index", "class_number")
FILE_COLUMNS = (*NAME_COLUMNS, "image_path", "filepath", "file_path", "image_id", "id")
SUFFIXES = (".csv", ".tsv")


class Row(NamedTuple):
    """One line of a table."""

    file: str
    label: str
    number: int | None
    split: str
    where: str


def matches(path: Path) -> bool:
    """Whether a file is such a table, or a folder holds one."""
    return any(columns_of(table) is not None for table in tables(path))


def read(path: Path) -> Dataset:
    """The pictures that the tables name.

    Raises:
        OcellusError: no table has the columns, one cannot be read, or names no picture.
    """
    known = [table for table in tables(path) if columns_of(table) is not None]
    if not known:
        raise OcellusError(
            f"{path} is no table of pictures and their classes: its first line has to name a column `file` "
            "and a column `label`"
        )
    by_split = [table for table in known if split_of(table.stem)]
    chosen = by_split if len(by_split) > 1 else known[:1]
    findings = [finding("file-unused", table) for table in known if table not in chosen]
    root = path.parent if path.is_file() else path
    finder = Finder([root, *(folder for name in IMAGE_FOLDERS if (folder := root / name).is_dir())])
    rows: list[tuple[Path, Row]] = []
    for table in chosen:
        for row in rows_of(table, split=(split_of(table.stem) or WHOLE) if table in by_split else WHOLE):
            if row.label or row.number is not None:
                rows.append((table, row))
            else:
                findings.append(finding("picture-classless", table, where=row.where, value=row.file))
    if not rows:
        raise OcellusError(f"{chosen[0]} names no picture with a class; write one a line")
    names, numbers = classes_of([row for _, row in rows], findings, path)
    return Dataset(
        root=path,
        format="class_table",
        labels=LabelMap(tuple(names)),
        splits=splits_of(rows, names, finder),
        findings=tuple(findings),
        label_ids=tuple(numbers),
    )


def splits_of(
    rows: Sequence[tuple[Path, Row]], names: dict[str, tuple[str, int | None]], finder: Finder
) -> dict[str, tuple[Record, ...]]:
    """The records of each split; a picture that is not there keeps its place, for the doctor to find."""
    places = {key: label for label, key in enumerate(names.values())}
    splits: dict[str, list[Record]] = {}
    for table, row in rows:
        image = finder.find(row.file) or finder.find_stem(row.file) or finder.folders[0] / row.file
        label = places[row.label, row.number]
        record = Record(image=image, name=row.file, source=str(table), label=label)
        splits.setdefault(row.split, []).append(record)
    return {split: tuple(records) for split, records in splits.items()}


def classes_of(
    rows: Sequence[Row], findings: list[Finding], path: Path
) -> tuple[dict[str, tuple[str, int | None]], list[int]]:
    """Names of the classes, each with the name and the number that rows have for it, and the numbers.

    Where every row has a number, they are in its order, else in that of the names (of numbers, by size).
    Classes of several numbers, as ImageNet's two cranes, get theirs into their name.
    """
    keys = sorted({(row.label, row.number) for row in rows}, key=_place)
    labels = [label for label, _ in keys]
    names: dict[str, tuple[str, int | None]] = {}
    for label, number in keys:
        twins = labels.count(label) > 1
        names[f"{label} {number}".strip() if twins or not label else label] = (label, number)
    if doubled := sorted({label for label in labels if label and labels.count(label) > 1}):
        findings.append(finding("names-alike", path, value=", ".join(doubled[:5])))
    numbers = [number for _, number in keys if number is not None]
    return names, numbers if len(numbers) == len(keys) else []


def _place(key: tuple[str, int | None]) -> tuple[int, int, str]:
    label, number = key
    if number is None:
        return (0, int(label), "") if label.isdecimal() else (1, 0, label)
    return 0, number, label


def rows_of(table: Path, *, split: str) -> list[Row]:
    """The lines of a table.

    Args:
        table: the file.
        split: of rows that do not say theirs.

    Raises:
        OcellusError: it cannot be read, or a number is none.
    """
    columns = columns_of(table)
    assert columns is not None
    found = []
    for place, row in enumerate(lines_of(table), 2):
        if not any(row):
            continue
        values = {
            kind: row[column].strip() if column is not None and column < len(row) else ""
            for kind, column in columns.items()
        }
        number = values["number"]
        if number and not number.lstrip("-").isdecimal():
            raise OcellusError(f"{table}, line {place}: {number!r} is no class number; write a whole one")
        named = values["split"]
        found.append(
            Row(
                file=values["file"],
                label=values["label"],
                number=int(number) if number else None,
                split=(split_of(named) or named.lower()) if named else split,
                where=f"line {place}",
            )
        )
    return found


def columns_of(table: Path) -> dict[str, int | None] | None:
    """Where a table has its `file`, `label`, `number` and `split`; None: it is no table of classes."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            heading = next(_cells(stream, table), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    words = [word.strip().lower() for word in heading]
    kinds = {"file": FILE_COLUMNS, "label": LABEL_COLUMNS, "number": NUMBER_COLUMNS, "split": SPLIT_COLUMNS}
    places = {
        kind: next((words.index(name) for name in known if name in words), None)
        for kind, known in kinds.items()
    }
    known = places["file"] is not None and not (places["label"] is None and places["number"] is None)
    return places if known else None


def lines_of(table: Path) -> list[list[str]]:
    """The cells of each line of a table but the first.

    Raises:
        OcellusError: it cannot be read.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            return list(_cells(stream, table))[1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OcellusError(f"cannot read {table} ({error}); it must be UTF-8 text, a row a line") from error


def tables(path: Path) -> list[Path]:
    """The tables that a path means."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def _cells(stream: TextIO, table: Path) -> Iterator[list[str]]:
    return csv.reader(stream, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
