"""Are label maps such that a network can learn from them: known values, the right size, several classes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocellus.data.check.files import Seen
from ocellus.data.dataset import Dataset, Finding, Record
from ocellus.data.findings import KINDS, finding
from ocellus.data.label_maps import UNKNOWN, Survey, told
from ocellus.data.rasterised import Rasterised
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

RARE = 5  # pictures
ABSURD = 1000
MOST_VALUES = 1000  # of no class are counted; a smoothed colour mask has millions


class MapSeen(NamedTuple):
    """What one label map told.

    Args:
        size: (H, W); None where it could not be read.
        counts: (256,) pixels of each label.
        values: each value as shown, its label and its pixels.
        fault: a kind of finding, or "".
        detail: what is wrong.
    """

    size: tuple[int, int] | None
    counts: NDArray[np.int64]
    values: tuple[tuple[str, int, int], ...] = ()
    fault: str = ""
    detail: str = ""


@dataclass
class MapTally:
    """Counts over the label maps of a data set.

    Args:
        classes: how many class names there are.
        findings: what is wrong with single maps.
        pixels: (256,) pixels of each label, by split.
        pictures: pictures with each label, by split.
        values: (value as shown, label) -> pixels.
    """

    classes: int
    findings: list[Finding] = field(default_factory=list)
    pixels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    pictures: dict[str, Counter[int]] = field(default_factory=dict)
    values: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, split: str, record: Record, one: MapSeen, picture: Seen) -> None:
        """Count one map and note what is wrong with it."""
        file = record.source or str(record.image)
        where = "" if not isinstance(record.label_map, Rasterised) else record.name
        if one.fault:
            self.findings.append(finding(one.fault, file, where=where, detail=one.detail))
        self.pixels[split] = self.pixels.get(split, np.zeros(256, np.int64)) + one.counts
        self.pictures.setdefault(split, Counter()).update(np.flatnonzero(one.counts).tolist())
        unknown = [(value, pixels) for value, label, pixels in one.values if label == UNKNOWN]
        for value, label, pixels in one.values:
            if label != UNKNOWN or len(self.values) < MOST_VALUES:
                self.values[value, label] += pixels
        beyond = np.flatnonzero(one.counts[self.classes : UNKNOWN]) + self.classes
        unknown += [(f"label {label}", int(one.counts[label])) for label in beyond.tolist()]
        if unknown:
            listed = told([value for value, _ in unknown], [pixels for _, pixels in unknown])
            key = getattr(record.label_map, "key", None)  # of maps that hold numbers or colors
            hint = key.hint([int(value) for value, _ in unknown if value.isdigit()]) if key else ""
            detail = f"{KINDS['mask-value'].meaning}{hint}" if hint else ""
            self.findings.append(finding("mask-value", file, where=where, value=listed, detail=detail))
        if one.size is not None and picture.size is not None and one.size != picture.size:
            (height, width), (high, wide) = one.size, picture.size
            kind = "picture-rotated" if one.size == picture.stored else "mask-size"
            value = f"mask {width}x{height}, picture {wide}x{high}"
            self.findings.append(finding(kind, file, where=where, value=value))
        if one.size is not None and one.counts.sum() == one.counts[IGNORED]:
            self.findings.append(finding("label-map-ignored", file, where=where))


def examine_map(record: Record) -> MapSeen:
    """Decode a label map; its faults are told, never raised."""
    nothing = np.zeros(256, np.int64)
    reader = record.label_map
    if reader is None:
        return MapSeen(None, nothing, fault="label-map-missing")
    try:
        if isinstance(reader, Rasterised) and (boxes := reader.shapeless()):
            return MapSeen(None, nothing, fault="object-shapeless", detail=boxes)
        survey = getattr(reader, "survey", None)  # one that tells what stands in the file
        found = survey() if survey is not None else Survey(reader(), ())
    except OcellusError as error:
        return MapSeen(None, nothing, fault="label-map-unreadable", detail=str(error))
    height, width = found.labels.shape
    counts = np.bincount(found.labels.reshape(-1), minlength=256)
    return MapSeen((int(height), int(width)), counts, found.values)


def examine_maps(
    dataset: Dataset, seen: dict[Path, Seen], *, workers: int, each: Callable[[], None] | None = None
) -> MapTally:
    """Decode every label map once.

    Args:
        dataset: of label maps.
        seen: what decoding the pictures told.
        workers: threads.
        each: called after each map.
    """
    tally = MapTally(len(dataset.labels))
    records = list(dataset.records())
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        maps = pool.map(examine_map, [record for _, record in records])
        for (split, record), one in zip(records, maps, strict=True):
            tally.add(split, record, one, seen[record.image])
            if each is not None:
                each()
    return tally


def check_map_classes(dataset: Dataset, tally: MapTally) -> Iterator[Finding]:
    """Classes that are unused, not in training, rare, alone or drowned by others."""
    train = tally.pixels.get("train", np.zeros(256, np.int64))
    used = {label: int(train[label]) for label in range(len(dataset.labels)) if train[label]}
    for label, name in enumerate(dataset.labels):
        elsewhere = {s: int(n[label]) for s, n in tally.pixels.items() if s != "train" and n[label]}
        pictures = tally.pictures.get("train", Counter())[label]
        if label not in used and not elsewhere:
            detail = "a class is defined, but no pixel has it; it cannot be learnt and has no IoU"
            yield finding("class-unused", dataset.root, value=name, detail=detail)
        elif label not in used:
            detail = "a class occurs outside the training split only; its IoU will be 0"
            value = ", ".join(f"{count} pixels in {split}" for split, count in elsewhere.items())
            yield finding("class-untrained", dataset.root, value=f"{name}: {value}", detail=detail)
        elif pictures < RARE:
            detail = f"a class is in fewer than {RARE} pictures to train on; hardly enough to learn from"
            yield finding("class-rare", dataset.root, value=f"{name}: {pictures} in train", detail=detail)
    if len(used) == 1:
        (label,) = used
        yield finding("classes-alone", dataset.root, value=dataset.labels[label])
    if used and max(used.values()) > ABSURD * min(used.values()):
        most, least = max(used, key=lambda label: used[label]), min(used, key=lambda label: used[label])
        value = f"{dataset.labels[most]}: {used[most]} pixels, {dataset.labels[least]}: {used[least]}"
        detail = f"the most frequent class has more than {ABSURD} times the pixels of the rarest"
        yield finding("class-imbalance", dataset.root, value=value, detail=detail)


def check_map_splits(dataset: Dataset, tally: MapTally) -> Iterator[Finding]:
    """Whether there is something to train and to validate on."""
    sizes = {split: len(records) for split, records in dataset.splits.items()}
    given = ", ".join(f"{split}: {count}" for split, count in sizes.items()) or "no pictures"
    if not sizes.get("train"):
        yield finding("split-empty", dataset.root, value=given)
    elif not tally.pixels["train"][:UNKNOWN].any():
        detail = "no pixel of the training split has a class"
        yield finding("nothing-annotated", dataset.root, value=given, detail=detail)
    if not sizes.get("val"):
        yield finding("split-no-val", dataset.root, value=given)


def pixels_of(dataset: Dataset, tally: MapTally) -> dict[str, dict[str, int]]:
    """Pixels of each class, by split."""
    return {
        split: {name: int(tally.pixels[split][label]) for label, name in enumerate(dataset.labels)}
        for split in dataset.splits
        if split in tally.pixels
    }


def values_of(dataset: Dataset, tally: MapTally) -> tuple[tuple[str, str, int], ...]:
    """(value as shown, class or "ignored" or "no class", pixels), in the order of the classes."""
    special = {IGNORED: "ignored", UNKNOWN: "no class"}
    last = {IGNORED: 256, UNKNOWN: 257}
    rows = sorted(tally.values.items(), key=lambda row: (last.get(row[0][1], row[0][1]), -row[1]))
    return tuple(
        (value, special.get(label) or dataset.labels[label], pixels) for (value, label), pixels in rows
    )
