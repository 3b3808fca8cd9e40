"""The weights of pixels in training examples: of whole objects, where the map goes, asked for once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from ocellus.data.border_weights import border_weights, separated
from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelExamples, collate_labels
from ocellus.data.read import read
from ocellus.see.unet.config import Train

PLAIN = Train(flip=0.0)
STRAIGHT = Train(flip=0.5, flip_vertical=0.5, turn=0.5, scale_low=0.6, scale_high=1.6, crop=64, color=0.5)
EVERYTHING = replace(STRAIGHT, rotate=30.0, elastic=4.0, elastic_grid=32)
GAPS = partial(border_weights, weight=10.0, sigma=5.0, balance=False)


def dataset(folder: Path, *maps: NDArray[np.uint8]) -> Dataset:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    (folder / "classes.txt").write_text("ground\ncell\n")
    for number, labels in enumerate(maps):
        Image.fromarray(np.where(labels == 1, np.uint8(255), np.uint8(0))).save(
            folder / f"images/{number}.png"
        )
        Image.fromarray(labels).save(folder / f"masks/{number}.png")
    return read(folder, view="classes", val_fraction=0)


def examples(data: Dataset, variety: Train | None, **settings: object) -> LabelExamples:
    return LabelExamples(data.splits["train"], data, train=variety, channels=1, **settings)  # type: ignore[arg-type]


def horseshoe(*, parted: bool) -> NDArray[np.uint8]:
    """(96, 96) two broad arms four pixels apart, joined at the bottom, or parted there too."""
    labels = np.zeros((96, 96), np.uint8)
    labels[:, 20:46] = labels[:, 50:76] = 1
    if not parted:
        labels[88:, 20:76] = 1
    return labels


def test_an_object_that_a_crop_cuts_in_two_has_no_gap(tmp_path: Path) -> None:
    """The arms are far above where they join; only cells that are two have a heavy gap between them."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = examples(dataset(tmp_path / "one", horseshoe(parted=False)), replace(PLAIN, crop=48), weights=GAPS)
    two = examples(dataset(tmp_path / "two", horseshoe(parted=True)), replace(PLAIN, crop=48), weights=GAPS)
    cut = gaps = 0
    for epoch in range(40):
        single, double = one[epoch, 0], two[epoch, 0]
        assert single.weights is not None and double.weights is not None
        assert float(single.weights.max()) == 1
        cut += int(separated(single.labels.numpy()).max() == 2)
        gaps += int(float(double.weights.max()) > 5)
    assert cut > 10 and gaps > 10


@pytest.mark.parametrize("variety", [STRAIGHT, EVERYTHING, replace(EVERYTHING, crop=0, flip=1.0, turn=1.0)])
def test_weights_go_where_the_map_goes(tmp_path: Path, variety: Train) -> None:
    """Cells weigh 9 and the ground 1, but for the pixels along the edges; outside the picture it is 0."""
    labels = np.zeros((90, 120), np.uint8)
    labels[10:40, 15:60] = labels[50:80, 30:100] = 1
    drawn = examples(dataset(tmp_path, labels), variety, weights=lambda seen: 1 + 8 * seen.astype(np.float32))
    wrong = total = 0
    for epoch in range(20):
        _, found, weights, _ = drawn[epoch, 0]
        assert weights is not None and weights.shape == found.shape and weights.dtype == torch.float32
        inside = found != 255
        wrong += int(((weights > 5) != (found == 1))[inside].sum())
        total += int(inside.sum())
        assert not weights[~inside].gt(5).any()
        lone = torch.nn.functional.max_pool2d(inside[None].float(), 5, 1, 2)[0] == 0
        assert not weights[lone].any()
    assert total > 20000 and wrong / total < 0.01


def test_a_map_is_weighed_once_and_as_the_network_sees_it(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def weigh(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(labels.shape)
        return np.ones(labels.shape, np.float32)

    data = dataset(tmp_path, horseshoe(parted=True), horseshoe(parted=False))
    kept = examples(data, STRAIGHT, weights=weigh, short_side=48)
    for epoch in range(5):
        for index in range(2):
            item = kept[epoch, index]
            assert item.weights is not None and item.weights.shape == (64, 64)
    assert seen == [(48, 48), (48, 48)]
    # Two bytes a pixel of picture and map, four of weights at their size.
    held = 96 * 96 * 2 + 48 * 48 * 4
    assert kept.room == LabelExamples(kept.records, data, train=None).room - 2 * held
    seen.clear()
    short = examples(data, STRAIGHT, weights=weigh, short_side=48, cache=held)
    again = [short[epoch, index] for epoch in range(3) for index in range(2)]
    assert len(seen) == 1 + 3 and short.room == 0  # one is kept, the other weighed anew
    assert all(
        torch.equal(one.image, other.image) and torch.equal(one.labels, other.labels)
        for one, other in zip(
            again, [kept[epoch, index] for epoch in range(3) for index in range(2)], strict=True
        )
    )


def test_weights_without_variation_are_those_of_the_map(tmp_path: Path) -> None:
    item = examples(dataset(tmp_path, horseshoe(parted=True)), None, weights=GAPS)[0, 0]
    assert item.weights is not None
    assert torch.equal(item.weights, torch.from_numpy(GAPS(item.labels.numpy())))
    batch = collate_labels([item], stride=64)
    assert batch.weights is not None and batch.weights.shape == (1, 128, 128)
    assert not batch.weights[:, 96:].any() and not batch.weights[:, :, 96:].any()
