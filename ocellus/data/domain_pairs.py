"""Two domains made of pairs side by side: even pairs give their left half, odd ones their right half.

No picture's partner is then in the data, as it is where two domains are photographed apart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocellus.data import side_by_side
from ocellus.data.dataset import Dataset
from ocellus.labels import LabelMap

NAMES = ("left", "right")
matches = side_by_side.matches


def read(path: Path) -> Dataset:
    """The halves; `label` is 0 for a left half and 1 for a right one."""
    pairs = side_by_side.read(path)
    splits = {}
    for split, records in pairs.splits.items():
        ordered = sorted(records, key=lambda one: one.name)
        splits[split] = tuple(
            replace(record, label=label, source=NAMES[label])
            for label in (0, 1)
            for record in ordered[label::2]
        )
    return replace(pairs, format="domain_pairs", labels=LabelMap(NAMES), splits=splits)
