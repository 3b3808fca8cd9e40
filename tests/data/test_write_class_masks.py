"""Label maps are written so that they come back the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ocellus.data.read import read
from ocellus.data.write import class_masks
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.values import Picture, Segmentation

LABELS = LabelMap(("2 wheeler", "하늘", "lane 7"))
COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))


def items() -> list[tuple[str, Segmentation]]:
    dice = np.random.default_rng(0)
    found = []
    for name in ("train/가.jpg", "train/b.jpg", "val/c.jpg"):
        labels = dice.choice(np.array([0, 1, 2, 255], np.uint8), (7, 9))
        picture = Picture(pixels=torch.from_numpy(dice.integers(0, 256, (3, 7, 9), np.uint8)))
        found.append((name, Segmentation(labels=torch.from_numpy(labels), picture=picture)))
    return found


@pytest.mark.parametrize("colors", [(), COLORS])
def test_there_and_back(colors: tuple[tuple[int, int, int], ...], tmp_path: Path) -> None:
    written = items()
    assert class_masks.write(written, tmp_path, labels=LABELS, colors=colors) == ()
    dataset = read(tmp_path, view="classes")
    assert (dataset.labels, dataset.colors) == (LABELS, colors)
    maps = {record.name: record.label_map() for _, record in dataset.records() if record.label_map}
    assert {name: value.tolist() for name, value in maps.items()} == {
        name: value.labels.tolist() for name, value in written
    }
    assert {split: len(records) for split, records in dataset.splits.items()} == {"train": 2, "val": 1}


def test_what_cannot_be_held(tmp_path: Path) -> None:
    name, value = items()[0]
    sure = replace(value, confidence=torch.ones(7, 9).half())
    (lost,) = class_masks.write([(name, sure)], tmp_path, labels=LABELS)
    assert (lost.kind, lost.value) == ("confidence-not-held", "1 pictures")
    for names in (("road", "Void"), ("lane 1 2 3",)):
        with pytest.raises(OcellusError, match="a list of classes cannot hold the name"):
            class_masks.write([], tmp_path, labels=LabelMap(names))
    with pytest.raises(OcellusError, match="has the label 2, and there are 2 class names"):
        class_masks.write([(name, value)], tmp_path, labels=LabelMap(("a", "b")))
    with pytest.raises(OcellusError, match="1 colours for 3 classes"):
        class_masks.write([(name, value)], tmp_path, labels=LABELS, colors=COLORS[:1])
