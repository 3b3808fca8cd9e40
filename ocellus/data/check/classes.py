"""Are the classes and splits such that a network can learn from them and be measured?"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

from ocellus.data.check.tally import Tally
from ocellus.data.dataset import Dataset, Finding
from ocellus.data.findings import finding

RARE = 5
ABSURD = 100
MISREAD = 0.25
FEWEST_BOXES = 8

OF_PICTURES = {
    "class-unused": "a class has no picture; the network cannot learn it and nothing of it can be measured",
    "class-untrained": "a class has pictures outside the training split only; it cannot be learnt",
    "class-rare": f"a class has fewer than {RARE} pictures to train on; hardly enough to learn from",
    "class-imbalance": f"the most frequent class has more than {ABSURD} times the pictures of the rarest",
}
"""What findings mean where pictures have one class each."""


def check_names(dataset: Dataset) -> Iterator[Finding]:
    """Names that are nearly the same, or missing."""
    groups: dict[str, list[str]] = {}
    for label, name in enumerate(dataset.labels):
        if not name.strip():
            yield finding("name-blank", dataset.root, where=f"class {label}", value=repr(name))
        key = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(key, []).append(name)
    for names in groups.values():
        if len(names) > 1:
            yield finding("names-alike", dataset.root, value=", ".join(repr(name) for name in names))


def check_ids(dataset: Dataset, tally: Tally) -> Iterator[Finding]:
    """Class numbers that begin at another place than the format's, or leave some out."""
    ids = [number for number in dataset.label_ids if number >= 0]
    if dataset.format == "coco" and ids:
        if 0 in ids:
            yield finding(
                "label-ids-from-zero", dataset.root, value=dataset.labels[dataset.label_ids.index(0)]
            )
        missing = sorted(set(range(min(ids), max(ids) + 1)) - set(ids))
        if missing:
            listed = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
            yield finding("label-ids-gaps", dataset.root, value=f"{min(ids)} to {max(ids)} without {listed}")
    classes = len(dataset.labels)
    first_used = any(counts[0] for counts in tally.labels.values())
    if dataset.format == "yolo" and tally.beyond == {f"class {classes}"} and not first_used:
        yield finding("label-ids-from-one", dataset.root, value=f"1 to {classes} for {classes} classes")


def check_alone(dataset: Dataset, objects: dict[str, dict[str, int]]) -> Iterator[Finding]:
    """Whether the pictures to train on are all of one class."""
    used = [name for name, count in objects.get("train", {}).items() if count]
    if dataset.view == "labels" and len(used) == 1:
        yield finding("classes-alone", dataset.root, value=used[0])


def check_counts(dataset: Dataset, objects: dict[str, dict[str, int]]) -> Iterator[Finding]:
    """Classes that are unused, not in training, rare or drowned by others."""
    what = dict.fromkeys(OF_PICTURES, "")
    if dataset.view == "labels":
        what = OF_PICTURES
    train = objects.get("train", {})
    for name in dataset.labels:
        elsewhere = {
            split: counts[name] for split, counts in objects.items() if split != "train" and counts[name]
        }
        there = train.get(name, 0)
        if not there and not elsewhere:
            yield finding("class-unused", dataset.root, value=name, detail=what["class-unused"])
        elif not there:
            value = ", ".join(f"{count} in {split}" for split, count in elsewhere.items())
            detail = what["class-untrained"]
            yield finding("class-untrained", dataset.root, value=f"{name}: {value}", detail=detail)
        elif there < RARE:
            value, detail = f"{name}: {there} in train", what["class-rare"]
            yield finding("class-rare", dataset.root, value=value, detail=detail)
    used = Counter({name: count for name, count in train.items() if count}).most_common()
    if used and used[0][1] > ABSURD * used[-1][1]:
        (most, many), (least, few) = used[0], used[-1]
        value, detail = f"{most}: {many}, {least}: {few}", what["class-imbalance"]
        yield finding("class-imbalance", dataset.root, value=value, detail=detail)


def check_splits(dataset: Dataset, tally: Tally) -> Iterator[Finding]:
    """Whether there is something to train and to validate on, and pictures with nothing in them."""
    sizes = {split: len(records) for split, records in dataset.splits.items()}
    given = ", ".join(f"{split}: {count}" for split, count in sizes.items()) or "no pictures"
    annotated = {split: counts.total() + tally.crowds[split] for split, counts in tally.labels.items()}
    if not sizes.get("train"):
        yield finding("split-empty", dataset.root, value=given)
    elif not annotated.get("train"):
        yield finding("nothing-annotated", dataset.root, value=given)
    if not sizes.get("val"):
        yield finding("split-no-val", dataset.root, value=given)
    if any(annotated.values()):
        for split, record in tally.empty:
            yield finding("picture-empty", record.image, where=split)


def check_misread(dataset: Dataset, tally: Tally) -> Iterator[Finding]:
    """Whether so many boxes reach far over the edge that their numbers must mean something else."""
    if tally.boxes >= FEWEST_BOXES and tally.far > MISREAD * tally.boxes:
        yield finding("boxes-misread", dataset.root, value=f"{tally.far} of {tally.boxes} boxes")
