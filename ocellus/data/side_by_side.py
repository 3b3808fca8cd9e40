"""Pairs in one file each: the left half and the right half, as pix2pix's data sets come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ocellus.data import picture_folders
from ocellus.data.dataset import Dataset
from ocellus.data.pairs import SideBySide

matches = picture_folders.matches


def read(path: Path) -> Dataset:
    """The pairs; the left half is the condition."""
    whole = picture_folders.read(path)
    splits = {
        split: tuple(replace(record, pair=SideBySide(record.image)) for record in records)
        for split, records in whole.splits.items()
    }
    return replace(whole, format="side_by_side", splits=splits)
