"""Which pictures train and which validate: the format's own split, else one by the names alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from ocellus.data.dataset import Dataset, Record
from ocellus.errors import OcellusError

WHOLE = "all"  # the split of a format that states none
WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "minival"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    "trainval": "trainval",
}
# A word of a file's or folder's name, with the year that COCO and VOC add: train2017, instances_val.
PATTERN = re.compile(
    rf"(?:^|(?<=[^a-z]))({'|'.join(sorted(WORDS, key=len, reverse=True))})[-_]?(\d{{4}})?(?=$|[^a-z0-9])"
)


def split_of(name: str) -> str | None:
    """The split that a name speaks of: "instances_train2017" -> "train"; None where none."""
    found = PATTERN.findall(name.lower())
    return WORDS[found[-1][0]] if found else None


def without_split(name: str) -> str:
    """A name without the word of its split: "instances_train2017" -> "instances"."""
    return PATTERN.sub("", name.lower()).strip("-_. ")


def with_split(dataset: Dataset, val_fraction: float) -> Dataset:
    """The data set with a split to train on and one to validate on, where it has one only.

    A data set that states both, or that is of one split other than train, stays as it is. Else the names of
    the pictures are ordered by their SHA-1, and the first share of them is val: the same on every machine.
    Where each picture has a label, that is done for each class alone, so that val has all of them.

    Args:
        dataset: as its format states it.
        val_fraction: the share to validate on, 0 to below 1.

    Raises:
        OcellusError: a share outside that range. Exit code 2.
    """
    if not 0 <= val_fraction < 1:
        message = f"the share to validate on is {val_fraction}; give one from 0 to below 1, such as 0.2"
        raise OcellusError(message, exit_code=2)
    whole = next((name for name in (WHOLE, "train") if name in dataset.splits), None)
    if whole is None or "val" in dataset.splits:
        return replace(dataset, split_rule=dataset.split_rule or "the format's own split")
    records = dataset.splits[whole]
    classes: dict[int | None, list[Record]] = {}
    for record in records:
        classes.setdefault(record.label, []).append(record)
    alone = len(classes) > 1 and all(len(held) * val_fraction >= 0.5 for held in classes.values())
    chosen = first_of(records, val_fraction)
    if alone:
        chosen = set().union(*(first_of(held, val_fraction) for held in classes.values()))
    parts: dict[str, tuple[Record, ...]] = {
        "train": tuple(record for record in records if id(record) not in chosen),
        "val": tuple(record for record in records if id(record) in chosen),
    }
    others = {name: held for name, held in dataset.splits.items() if name != whole}
    of = "each class's" if alone else "the"
    rule = f"the first {val_fraction:g} of {of} pictures by SHA-1 of their name validate, the others train"
    if others:
        rule += f"; {', '.join(others)} as the format says"
    return replace(dataset, splits={**{k: v for k, v in parts.items() if v}, **others}, split_rule=rule)


def first_of(records: Sequence[Record], share: float) -> set[int]:
    """The `id` of the first share of records by the SHA-1 of their names; at least one, and not all."""
    ranked = sorted(records, key=lambda record: hashlib.sha1(record.name.encode()).digest())
    count = round(len(records) * share)
    if share > 0 and len(records) > 1:
        count = min(max(count, 1), len(records) - 1)
    return {id(record) for record in ranked[:count]}
