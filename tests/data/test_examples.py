"""Examples depend on (seed, epoch, index) alone; batches are padded floats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from ocellus.data.crops import sample
from ocellus.data.dataset import Annotation, Dataset, Record
from ocellus.data.examples import Batch, Examples, Item, collate
from ocellus.data.target import Target
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton


@dataclass(frozen=True)
class Variety:
    flip: float = 0.0
    flip_vertical: float = 0.0
    turn: float = 0.0
    scale_low: float = 1.0
    scale_high: float = 1.0
    crop: int = 0
    color: float = 0.0
    mosaic: float = 0.0
    copy_paste: float = 0.0


EVERYTHING = Variety(0.5, 0.5, 0.5, 0.6, 1.4, 64, 0.5, 0.4, 0.6)
HANDS = Skeleton(names=("left", "right"), flip_pairs=((0, 1),))


def square(left: int, top: int, side: int) -> np.ndarray:
    return np.array([[left, top], [left + side, top], [left + side, top + side], [left, top + side]], float)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Five pictures of red squares (class 0) on noise of blue, one picture without any."""
    records = []
    for index in range(5):
        generator = np.random.default_rng(index)
        pixels = np.zeros((90, 120, 3), np.uint8)
        pixels[..., 2] = generator.integers(0, 100, (90, 120))
        annotations = []
        for left, top, side in ((10, 20, 30), (60 + index, 40, 25), (90, 5, 12)):
            if index == 4:
                break
            pixels[top : top + side, left : left + side] = (255, 0, 0)
            points = ((float(left), float(top), 2.0), (left + float(side), float(top), 2.0))
            annotations.append(Annotation(label=0, rings=(square(left, top, side),), keypoints=points))
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        records.append(
            Record(image=tmp_path / f"{index}.png", name=f"{index}.png", size=(90, 120),
                   annotations=tuple(annotations))
        )  # fmt: skip
    return Dataset(
        root=tmp_path, format="coco", labels=LabelMap(("square",)), splits={"train": tuple(records)},
        skeleton=HANDS,
    )  # fmt: skip


def examples(dataset: Dataset, variety: Variety | None, *, seed: int = 0, side: int = 90) -> Examples:
    return Examples(
        dataset.splits["train"], dataset, train=variety, short_side=side, long_side=4 * side, seed=seed
    )


def same(one: Item, two: Item) -> bool:
    parts = [(one.image, two.image), *zip(one.target[:3], two.target[:3], strict=True)]
    parts += zip(one.target.crops or (), two.target.crops or (), strict=True)
    return all(torch.equal(a, b) for a, b in parts)


def test_only_seed_epoch_and_index_decide(dataset: Dataset) -> None:
    first, second = examples(dataset, EVERYTHING), examples(dataset, EVERYTHING)
    keys = [(epoch, index) for epoch in range(6) for index in range(5)]
    forward = {key: first[key] for key in keys}
    backward = {key: second[key] for key in reversed(keys)}
    assert all(same(forward[key], backward[key]) for key in keys)
    other = examples(dataset, EVERYTHING, seed=1)
    assert sum(torch.equal(forward[key].image, other[key].image) for key in keys) <= 1
    assert sum(torch.equal(forward[0, i].image, forward[1, i].image) for i in range(5)) <= 1


def test_the_annotation_follows_every_variation(dataset: Dataset) -> None:
    """What is red is what the masks say, whatever was done to it."""
    drawn = examples(dataset, replace(EVERYTHING, color=0.0))
    wrong = total = objects = 0
    for epoch in range(12):
        for index in range(5):
            image, target, _ = drawn[epoch, index]
            height, width = image.shape[1:]
            count = len(target.boxes)
            objects += count
            assert (height, width) == (64, 64) or min(height, width) < 64
            said = torch.zeros(height, width, dtype=torch.bool)
            if count:
                assert target.crops is not None and target.keypoints is not None
                area = torch.tensor([[0.0, 0.0, width, height]]).repeat(count, 1)
                said = (sample(target.crops, torch.arange(count), area, (height, width)) >= 0.5).any(dim=0)
                assert float(target.boxes.min()) >= 0 and float(target.boxes[:, 2].max()) <= width
                sides = target.boxes[:, 2:] - target.boxes[:, :2]
                assert bool((sides >= 1).all())
            red = image[0] > 127
            wrong += int((red != said).sum())
            total += height * width
    assert objects > 90
    assert wrong / total < 0.004  # borders cut inside a pixel


def test_left_stays_left_in_the_mirror(dataset: Dataset) -> None:
    plain = examples(dataset, None)[0, 0].target.keypoints
    mirrored = examples(dataset, Variety(flip=1.0))[0, 0].target.keypoints
    assert plain is not None and mirrored is not None
    assert plain[0, 0].tolist() == [10, 20, 2] and plain[0, 1].tolist() == [40, 20, 2]
    assert mirrored[0, 0].tolist() == [80, 20, 2] and mirrored[0, 1].tolist() == [110, 20, 2]


def test_a_picture_without_objects_stays(dataset: Dataset) -> None:
    target = examples(dataset, None)[0, 4].target
    assert target.boxes.shape == (0, 4) and target.labels.dtype == torch.int64
    assert target.keypoints is not None and target.keypoints.shape == (0, 2, 3)


def test_without_variation_it_is_torchvisions_transform(dataset: Dataset) -> None:
    ours = examples(dataset, None, side=73)
    batch = collate([ours[0, index] for index in range(5)])
    pictures = [torch.from_numpy(np.array(Image.open(r.image))).permute(2, 0, 1) / 255 for r in ours.records]
    theirs = GeneralizedRCNNTransform(73, 4 * 73, [0.0] * 3, [1.0] * 3)
    want, _ = theirs(pictures)
    assert batch.sizes.tolist() == [list(size) for size in want.image_sizes] == [[73, 97]] * 5
    torch.testing.assert_close(batch.images, want.tensors, atol=2e-6, rtol=0)
    assert batch.images.shape == (5, 3, 96, 128)


def test_collate_pads_with_zeros_to_a_multiple_of_32() -> None:
    target = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    items = [
        Item(torch.full((3, 33, 20), 255, dtype=torch.uint8), target, "a"),
        Item(torch.full((3, 10, 64), 0.5), target, "b"),
    ]
    batch = collate(items)
    assert isinstance(batch, Batch) and batch.images.shape == (2, 3, 64, 64)
    assert batch.images.dtype == torch.float32 and batch.names == ("a", "b")
    assert batch.sizes.tolist() == [[33, 20], [10, 64]]
    assert batch.images[0, :, :33, :20].min() == 1.0 and batch.images[0].sum() == 3 * 33 * 20
    assert batch.images[1].sum() == 0.5 * 3 * 10 * 64


def test_decoded_pictures_are_kept_while_there_is_room(dataset: Dataset) -> None:
    roomy, full = examples(dataset, None), Examples(
        dataset.splits["train"], dataset, train=None, short_side=0, long_side=0, cache=2 * 90 * 120 * 3
    )  # fmt: skip
    before = roomy[0, 3].image
    for index in range(5):
        assert full[0, index].image.dtype == torch.uint8
    assert sorted(full.cache) == [0, 1]
    dataset.splits["train"][3].image.unlink()
    assert torch.equal(roomy[0, 3].image, before)
    with pytest.raises(OcellusError, match=r"3\.png"):
        full[0, 3]


def test_a_picture_of_another_size_than_annotated_is_refused(dataset: Dataset) -> None:
    record = replace(dataset.splits["train"][0], size=(120, 90), source="annotations.json")
    wrong = Examples([record], dataset, train=None, short_side=0, long_side=0)
    with pytest.raises(
        OcellusError, match=r"120x90 pixels, its annotation in annotations\.json is for 90x120"
    ):
        wrong[0, 0]


@pytest.mark.parametrize(
    "settings", [{"scale_low": 0.0}, {"scale_low": 2.0}, {"crop": -1}, {"flip": 1.5}, {"color": float("nan")}]
)
def test_impossible_settings_are_refused(dataset: Dataset, settings: dict[str, float]) -> None:
    with pytest.raises(OcellusError, match=next(iter(settings)).replace("_", "-")) as caught:
        examples(dataset, replace(Variety(), **settings))
    assert caught.value.exit_code == 2
