"""Two domains made of pairs side by side: even pairs give their left half, odd ones their right half.

No picture's partner is then in the data, as it is where two domains are photographed apart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocellus.data import side_by_side
from ocellus.data.dataset import Dataset
from ocellus.labels import LabelMap

matches = side_by_side.matches


def read(path: Path) -> Dataset:
    """The halves; `label` is 0 for a left half and 1 for a right one."""
    pairs = side_by_side.read(path)
    splits = {
        split: tuple(
            replace(record, label=number % 2, source=("left", "right")[number % 2])
            for number, record in enumerate(sorted(records, key=lambda one: one.name))
        )
        for split, records in pairs.splits.items()
    }
    return replace(pairs, format="domain_pairs", labels=LabelMap(("left", "right")), splits=splits)
