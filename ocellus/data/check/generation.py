"""Is there what a network can learn to make pictures from? Of pictures alone, pairs, and two domains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ocellus.data.check.files import Seen, digest_in_full, examine_all
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.drawings import member
from ocellus.data.findings import finding
from ocellus.data.pairs import SideBySide, TwoFiles
from ocellus.data.picture_files import MOST_PIXELS

VIEWS = ("pictures", "pairs", "domains")
"""The views that are checked here."""

COLOURLESS = 3
"""Largest difference of red, green and blue, of 255, in a picture without colour; JPEG makes some."""

SIDE = 64


def check_generation(dataset: Dataset, seen: dict[Path, Seen], *, workers: int) -> list[Finding]:
    """What is wrong with a data set of pictures, pairs or domains, besides its files.

    Args:
        dataset: as read.
        seen: what decoding each record's file told.
        workers: threads that decode.
    """
    found = [*check_enough(dataset)]
    if dataset.view == "pairs":
        found += check_pairs(dataset, seen, workers=workers)
    elif dataset.view == "domains":
        found += check_domains(dataset)
        found += [f for _, record in dataset.records() for f in check_halves(record, seen[record.image])]
    else:
        found += check_colours(dataset, seen, workers=workers)
    return found


def check_enough(dataset: Dataset) -> Iterator[Finding]:
    """Whether there is something to train and to validate on."""
    sizes = {split: len(records) for split, records in dataset.splits.items()}
    given = ", ".join(f"{split}: {count}" for split, count in sizes.items()) or "no pictures"
    if not sizes.get("train"):
        yield finding("split-empty", dataset.root, value=given)
    elif sizes["train"] == 1 and len(dataset) <= 2:
        yield finding("picture-lone", dataset.root, value=given)
    if not sizes.get("val"):
        yield finding("split-no-val", dataset.root, value=given)


def check_pairs(dataset: Dataset, seen: dict[Path, Seen], *, workers: int) -> Iterator[Finding]:
    """Whether both pictures of each pair are there, of one size, and not the same."""
    pairs = [record.pair for _, record in dataset.records()]
    answers = [pair.answer for pair in pairs if isinstance(pair, TwoFiles)]
    others = examine_all(answers, workers=workers)
    for _, record in dataset.records():
        one = seen[record.image]
        yield from check_halves(record, one)
        if not isinstance(record.pair, TwoFiles):
            continue
        file = record.pair.answer
        other = others[file]
        if other.fault:
            yield finding(other.fault, file, value=other.value)
        elif one.size and other.size and one.size != other.size:
            (a, b), (c, d) = one.size, other.size
            yield finding("pair-size", record.image, value=f"{b}x{a}, {file.name} {d}x{c}")
        elif not one.fault and one.digest == other.digest and same(record.image, file):
            yield finding("pair-same", record.image, value=f"and {file}")


def check_halves(record: Record, one: Seen) -> Iterator[Finding]:
    """Whether a picture can be two side by side."""
    if isinstance(record.pair, SideBySide) and one.size:
        height, width = one.size
        if width % 2:
            yield finding("pair-odd", record.image, value=f"{width}x{height}")
        elif height > width:
            yield finding("pair-narrow", record.image, value=f"{width}x{height}")


def check_domains(dataset: Dataset) -> Iterator[Finding]:
    """Whether both domains have pictures to train on, and to measure with."""
    for split, kind in (("train", "domain-empty"), ("val", "domain-unmeasured")):
        there = {record.label for record in dataset.splits.get(split, ())}
        for label, name in enumerate(dataset.labels):
            if there and label not in there:
                yield finding(kind, dataset.root, value=name)


def check_colours(dataset: Dataset, seen: dict[Path, Seen], *, workers: int) -> list[Finding]:
    """Which pictures have no colour; where none of those to train on has any, one finding for all.

    Drawings are left out: they have none, and are not meant to.
    """
    files = [
        record.image
        for record in dataset.splits.get("train", ())
        if not seen[record.image].fault and member(record.image) is None
    ]
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        grey = [file for file, without in zip(files, pool.map(colourless, files), strict=True) if without]
    if files and len(grey) == len(files):
        return [finding("pictures-grey", dataset.root, value=f"{len(files)} pictures")]
    return [finding("picture-grey", file) for file in grey]


def colourless(file: Path) -> bool:
    """Whether a picture has no colour; a small copy of it is looked at."""
    try:
        with Image.open(file) as image:
            if image.width * image.height > MOST_PIXELS:
                return False
            image.draft("RGB", (SIDE, SIDE))
            if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
                return True
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError):
        return False
    values = np.asarray(small).astype(np.int16)
    return bool((values.max(axis=2) - values.min(axis=2)).max() <= COLOURLESS)


def same(first: Path, second: Path) -> bool:
    """Whether two files whose digests agree are the same, pixel for pixel."""
    return digest_in_full(first) == digest_in_full(second)


def described(dataset: Dataset, records: Sequence[Record]) -> str:
    """One sentence on what is what in a data set of pairs or domains; empty for others."""
    first = records[0] if records else None
    if dataset.view == "pairs" and first is not None:
        if isinstance(first.pair, SideBySide):
            return "pairs side by side: the left half is the condition, the right half the answer"
        if isinstance(first.pair, TwoFiles):
            sides = [_below(file, dataset.root) for file in (first.pair.condition, first.pair.answer)]
            return f"pairs by name: {sides[0]} has the conditions, {sides[1]} the answers"
    if dataset.view == "domains" and first is not None:
        a, b = dataset.labels.names
        parted = dataset.format == "domain_pairs"
        how = "pairs side by side, parted: of each two pairs one gives its left half, one its right half; "
        return f"{how if parted else ''}domain A is {a}, domain B is {b}"
    return ""


def _below(file: Path, root: Path) -> str:
    """The folder of a file, from the data set's on."""
    return file.parent.relative_to(root).as_posix() if file.is_relative_to(root) else str(file.parent)
