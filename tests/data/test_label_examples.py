"""Examples of label maps: the map follows the picture, (seed, epoch, index) decide, padding is ignored."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ocellus.data import label_transforms as transforms
from ocellus.data.dataset import Dataset
from ocellus.data.label_examples import LabelExamples, LabelItem, collate_labels
from ocellus.data.label_transforms import Labelled, Window
from ocellus.data.read import read
from ocellus.errors import OcellusError


@dataclass(frozen=True)
class Variety:
    flip: float = 0.0
    flip_vertical: float = 0.0
    turn: float = 0.0
    rotate: float = 0.0
    scale_low: float = 1.0
    scale_high: float = 1.0
    crop: int = 0
    color: float = 0.0
    elastic: float = 0.0
    elastic_grid: int = 32


EVERYTHING = Variety(0.5, 0.5, 0.5, 30.0, 0.6, 1.6, 64, 0.5, 4.0, 32)
STRAIGHT = replace(EVERYTHING, rotate=0.0, elastic=0.0)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Five pictures whose red is class 1, green class 2, black class 0, and blue ignored."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "classes.txt").write_text("ground\nred\ngreen\n")
    (tmp_path / "train.txt").write_text("\n".join("01234"))
    for index in range(5):
        labels = np.zeros((90, 120), np.uint8)
        labels[10 : 40 + index, 15:60] = 1
        labels[50:80, 30 : 100 - index] = 2
        labels[:, 110:] = 255
        pixels = np.zeros((90, 120, 3), np.uint8)
        pixels[labels == 1, 0] = pixels[labels == 2, 1] = pixels[labels == 255, 2] = 255
        Image.fromarray(pixels).save(tmp_path / f"images/{index}.png")
        Image.fromarray(labels).save(tmp_path / f"masks/{index}.png")
    return read(tmp_path, view="classes", val_fraction=0)


def examples(dataset: Dataset, variety: Variety | None, **settings: object) -> LabelExamples:
    return LabelExamples(dataset.splits["train"], dataset, train=variety, **settings)  # type: ignore[arg-type]


def same(one: LabelItem, two: LabelItem) -> bool:
    return torch.equal(one.image, two.image) and torch.equal(one.labels, two.labels)


def test_only_seed_epoch_and_index_decide(dataset: Dataset) -> None:
    keys = [(epoch, index) for epoch in range(6) for index in range(5)]
    first = examples(dataset, EVERYTHING)
    second = pickle.loads(pickle.dumps(examples(dataset, EVERYTHING, cache=0)))  # noqa: S301
    forward = {key: first[key] for key in keys}
    backward = {key: second[key] for key in reversed(keys)}
    assert all(same(forward[key], backward[key]) for key in keys)
    other = examples(dataset, EVERYTHING, seed=1)
    assert not any(same(forward[key], other[key]) for key in keys)
    assert not any(same(forward[0, index], forward[1, index]) for index in range(5))


@pytest.mark.parametrize("variety", [EVERYTHING, STRAIGHT, replace(EVERYTHING, crop=0)])
def test_the_map_follows_the_picture(dataset: Dataset, variety: Variety) -> None:
    """What is red is class 1 and what is green class 2, but for the pixels along their edges."""
    drawn = examples(dataset, replace(variety, color=0.0))
    wrong = total = 0
    for epoch in range(12):
        for index in range(5):
            image, labels, _, _ = drawn[epoch, index]
            assert image.dtype == labels.dtype == torch.uint8
            assert image.shape[1:] == labels.shape
            if variety.crop:
                assert labels.shape == (variety.crop, variety.crop)
            counted = labels != 255
            said = torch.stack([labels == 1, labels == 2])
            seen = image[:2] > 127
            wrong += int(((seen != said) & counted).sum())
            total += int(counted.sum())
            assert not image[:, ~counted][:2].gt(140).any()  # nothing red or green is lost as ignored
    assert total > 60 * 64 * 64 * 0.3
    assert wrong / total < 0.01


def test_bits_of_resampling_by_hand() -> None:
    """A map is resampled by the nearest centre, and the picture bilinearly: 2 pixels to 4, and to 1."""
    example = Labelled(
        torch.tensor([[[0, 100]]], dtype=torch.uint8), torch.tensor([[3, 7]], dtype=torch.uint8)
    )
    wide = transforms.resize(example, (1, 4))
    assert wide.labels.tolist() == [[3, 3, 7, 7]]
    assert wide.image.tolist() == [[[0, 25, 75, 100]]]
    assert transforms.nearest(5, 2).tolist() == [1, 3]  # centres at 1.25 and 3.75
    assert transforms.nearest(3, 9).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_warping_by_hand() -> None:
    """A quarter turn is exact, a shift of one pixel too, and what comes from outside is ignored."""
    numbers = torch.arange(12, dtype=torch.uint8).view(3, 4)
    example = Labelled(numbers[None], numbers)
    window = Window((3, 4), 0, 0, (3, 4))
    same_place = transforms.warp(example, window, degrees=0.0, displacement=None)
    assert torch.equal(same_place.labels, numbers) and torch.equal(same_place.image[0], numbers)
    shift = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 3, 4)
    moved = transforms.warp(example, window, degrees=0.0, displacement=shift)
    assert moved.labels.tolist() == [[1, 2, 3, 255], [5, 6, 7, 255], [9, 10, 11, 255]]
    assert moved.image[0].tolist() == [[1, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0]]
    square = Labelled(numbers[None, :, :3], numbers[:, :3])
    turned = transforms.warp(square, Window((3, 3), 0, 0, (3, 3)), degrees=90.0, displacement=None)
    assert torch.equal(turned.labels, transforms.turn(square, 1).labels)
    assert torch.equal(turned.image, transforms.turn(square, 1).image)


def test_a_part_of_a_resized_picture_lies_where_it_does_in_the_whole() -> None:
    chance = np.random.default_rng(0)
    labels = torch.from_numpy(chance.integers(0, 5, (12, 15), np.uint8)).repeat_interleave(8, 0)
    labels = labels.repeat_interleave(8, 1)  # (96, 120) of blocks
    example = Labelled((labels * 50)[None], labels)
    for scaled in ((61, 77), (150, 190), (96, 120)):
        whole = transforms.resize(example, scaled)
        part = transforms.cut(example, Window(scaled, 20, 11, (30, 40)))
        agree = (part.labels == whole.labels[20:50, 11:51]).float().mean()
        assert part.size == (30, 40) and agree > 0.85
    assert agree == 1  # not resized


def test_smooth_displacements() -> None:
    """Of the asked deviation at the nodes, smooth between them, and as fine as the spacing."""
    dice = np.random.default_rng(0)
    field = torch.stack(
        [transforms.smooth_displacement((129, 97), spacing=32, deviation=10.0, dice=dice) for _ in range(200)]
    )
    assert field.shape == (200, 2, 129, 97)
    nodes = field[:, :, ::32, ::32]
    assert nodes.shape[2:] == (5, 4)
    assert abs(float(nodes.std()) - 10) < 0.3 and abs(float(nodes.mean())) < 0.5
    steps = field.diff(dim=3).abs()
    assert float(steps.max()) < 10 * 6 / 32 * 1.6  # from -3 to 3 deviations within 32 pixels
    second = field.diff(n=2, dim=3).abs()
    assert float(second.max()) < 0.25  # no kinks, which bilinear interpolation would have
    neighbours = torch.corrcoef(torch.stack([nodes[..., 0].flatten(), nodes[..., 1].flatten()]))
    assert abs(float(neighbours[0, 1])) < 0.1


def test_crops_that_are_larger_than_the_picture_are_padded(dataset: Dataset) -> None:
    item = examples(dataset, Variety(crop=128))[0, 0]
    assert item.labels.shape == (128, 128)
    assert (item.labels[90:] == 255).all() and (item.labels[:, 120:] == 255).all()
    assert not item.image[:, 90:].any()
    assert torch.equal(item.labels[:90, :120], examples(dataset, None)[0, 0].labels)


def test_without_variation_the_short_side_is_resized(dataset: Dataset) -> None:
    item = examples(dataset, None, short_side=45)[0, 0]
    assert item.labels.shape == (45, 60) and item.image.dtype == torch.float32
    plain = examples(dataset, None)[0, 0]
    assert plain.labels.shape == (90, 120) and plain.image.dtype == torch.uint8
    assert torch.equal(item.labels, plain.labels[1::2, 1::2])


def test_batches_are_padded_with_ignored_pixels(dataset: Dataset) -> None:
    def weigh(labels: np.ndarray) -> np.ndarray:
        return (1 + labels % 255).astype(np.float32)

    drawn = examples(dataset, None, short_side=45, weights=weigh)
    batch = collate_labels([drawn[0, 0], examples(dataset, None, weights=weigh)[0, 1]], stride=16)
    assert batch.images.shape == (2, 3, 96, 128) and batch.images.dtype == torch.float32
    assert batch.sizes.tolist() == [[45, 60], [90, 120]] and batch.names == ("0.png", "1.png")
    assert batch.maps.dtype == torch.int64 and batch.weights is not None
    assert (batch.maps[0, 45:] == 255).all() and (batch.maps[1, :, 120:] == 255).all()
    assert not batch.images[0, :, 45:].any() and not batch.weights[0, 45:].any()
    inside = batch.maps[1, :90, :120]
    assert torch.equal(batch.weights[1, :90, :120], (1 + inside % 255).float())
    assert float(batch.images.max()) == 1
    assert collate_labels([examples(dataset, None)[0, 0]]).weights is None


def test_color_changes_the_picture_alone_and_keeps_to_its_range(dataset: Dataset) -> None:
    plain, colored = (examples(dataset, Variety(color=strength)) for strength in (0.0, 1.0))
    pairs = [(plain[0, index], colored[0, index]) for index in range(5)]
    assert all(torch.equal(one.labels, other.labels) for one, other in pairs)
    assert sum(not torch.equal(one.image, other.image) for one, other in pairs) >= 3
    grey = torch.full((2, 3, 3), 0.5)
    grey[1, 0, 0] = 1.0
    brighter = transforms.color(grey, brightness=1.5, contrast=1.0, saturation=0.1)
    assert brighter[0].unique().tolist() == [0.75] and float(brighter.max()) == 1


def test_other_channels(dataset: Dataset) -> None:
    item = examples(dataset, EVERYTHING, channels=1)[0, 0]
    assert item.image.shape == (1, 64, 64) and item.image.dtype == torch.uint8
    with pytest.raises(OcellusError, match="3 channels, wanted are 5"):
        examples(dataset, None, channels=5)[0, 0]


@pytest.mark.parametrize(
    ("variety", "message"),
    [
        (Variety(flip=2.0), "--flip is 2.0; it has to be between 0 and 1"),
        (Variety(scale_low=0.0), "--scale-low is 0.0; it has to be above 0"),
        (Variety(crop=-1), "--crop is -1"),
        (Variety(rotate=200.0), "--rotate is 200.0"),
        (Variety(elastic=-1.0), "--elastic is -1.0"),
        (Variety(elastic_grid=0), "--elastic-grid is 0"),
    ],
)
def test_settings_that_cannot_be(variety: Variety, message: str, dataset: Dataset) -> None:
    with pytest.raises(OcellusError, match=message):
        examples(dataset, variety)


def test_a_map_of_another_size_and_objects(dataset: Dataset) -> None:
    record = dataset.splits["train"][0]
    Image.new("L", (119, 90)).save(record.source)
    with pytest.raises(OcellusError, match=r"0\.png is 120x90 pixels, its label map .* is 119x90: `ocellus"):
        examples(dataset, None)[0, 0]
    broken = replace(dataset, splits={"train": (replace(record, label_map=None),)})
    with pytest.raises(OcellusError, match="no label map: read the data with view='classes'"):
        examples(broken, None)[0, 0]
