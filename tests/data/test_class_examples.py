"""Examples of pictures with one class: views as torchvision's, dice by (seed, epoch, index), mixing."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from ocellus.data.class_examples import ClassExamples, collate_classes
from ocellus.data.dataset import Dataset, Record
from ocellus.data.views import middle, random_window, resized
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap


@dataclass(frozen=True)
class Vary:
    flip: float = 0.0
    flip_vertical: float = 0.0
    turn: float = 0.0
    area_low: float = 1.0
    area_high: float = 1.0
    aspect: float = 1.0
    color: float = 0.0


ALL = Vary(flip=0.5, flip_vertical=0.5, turn=0.5, area_low=0.2, aspect=1.5, color=0.5)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    records = []
    for number, size in enumerate(((40, 50), (60, 40), (40, 40), (45, 80))):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        records.append(Record(image=tmp_path / f"{number}.png", name=f"{number}.png", label=number % 2))
    return Dataset(
        root=tmp_path, format="class_folders", labels=LabelMap(("a", "b")), splits={"train": tuple(records)}
    )


def examples(dataset: Dataset, vary: Vary | None, *, mixup: float = 0.0, channels: int = 3) -> ClassExamples:
    return ClassExamples(
        dataset.splits["train"], dataset, train=vary, channels=channels, short_side=32, crop=24, mixup=mixup
    )


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (64, 64), (500, 333)])
@pytest.mark.parametrize(("short_side", "crop"), [(64, 57), (64, 0), (256, 224)])
def test_the_middle_is_torchvisions(size: tuple[int, int], short_side: int, crop: int) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    parts = [v2.Resize(short_side, antialias=True), *([v2.CenterCrop(crop)] if crop else [])]
    wanted = v2.Compose(parts)(image)
    assert torch.equal(middle(image, short_side=short_side, crop=crop), wanted)
    fractions = middle(image.float() / 255, short_side=short_side, crop=crop)
    torch.testing.assert_close(fractions, v2.Compose(parts)(image.float() / 255))


def test_resizing_is_pillows_within_a_grey_level() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    for size in ((30, 20), (200, 150)):
        mine = resized(torch.from_numpy(pixels).permute(2, 0, 1), size).permute(1, 2, 0).numpy()
        theirs = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1


def test_windows_have_the_areas_and_shapes_that_were_asked_for() -> None:
    dice = np.random.default_rng(0)
    found = [random_window((200, 300), areas=(0.1, 0.5), aspect=1.5, dice=dice) for _ in range(500)]
    for top, left, tall, wide in found:
        assert 0 <= top <= 200 - tall and 0 <= left <= 300 - wide
        assert 0.098 < tall * wide / 60000 < 0.51 and 1 / 1.52 < wide / tall < 1.52
    shares = [tall * wide / 60000 for _, _, tall, wide in found]
    assert min(shares) < 0.13 and max(shares) > 0.47
    # A whole picture of another shape than asked for cannot be had: the largest square in the middle.
    assert random_window((200, 300), areas=(1.0, 1.0), aspect=1.0, dice=dice) == (0, 50, 200, 200)


def test_as_they_are(dataset: Dataset) -> None:
    item = examples(dataset, None)[3, 1]
    pixels = torch.from_numpy(np.asarray(Image.open(dataset.splits["train"][1].image)).copy()).permute(
        2, 0, 1
    )
    assert torch.equal(item.image, middle(pixels, short_side=32, crop=24))
    assert (item.label, item.other, item.share, item.name) == (1, 1, 1.0, "1.png")


def test_dice_depend_on_seed_epoch_and_index_alone(dataset: Dataset) -> None:
    first, second = examples(dataset, ALL, mixup=0.4), examples(dataset, ALL, mixup=0.4)
    keys = [(epoch, index) for epoch in range(3) for index in range(4)]
    there = {key: first[key] for key in keys}
    again = pickle.loads(pickle.dumps(second))  # noqa: S301 (as a worker process gets it)
    for key in reversed(keys):
        mine = again[key]
        assert torch.equal(mine.image, there[key].image)
        assert mine[1:] == there[key][1:]
    assert not torch.equal(there[0, 0].image, there[1, 0].image)
    other = examples(dataset, ALL, mixup=0.4)
    other.seed = 1
    assert not torch.equal(other[0, 0].image, there[0, 0].image)


def test_flips_and_turns(dataset: Dataset) -> None:
    plain = examples(dataset, Vary())[0, 2].image
    assert torch.equal(examples(dataset, Vary(flip=1.0))[0, 2].image, plain.flip(2))
    assert torch.equal(examples(dataset, Vary(flip_vertical=1.0))[0, 2].image, plain.flip(1))
    turned = [examples(dataset, Vary(turn=1.0))[epoch, 2].image for epoch in range(12)]
    ways = [plain.rot90(quarters, (1, 2)) for quarters in (1, 2, 3)]
    assert all(sum(torch.equal(one, way) for way in ways) == 1 for one in turned)
    assert all(any(torch.equal(one, way) for one in turned) for way in ways)


def test_mixing_is_a_weighted_sum_of_two_examples(dataset: Dataset) -> None:
    mixed = examples(dataset, Vary(), mixup=0.5)
    plain = examples(dataset, Vary())
    items = [mixed[epoch, index] for epoch in range(5) for index in range(4)]
    for item in items:
        own = plain[0, int(item.name[0])].image.float() / 255
        candidates = [plain[0, second].image.float() / 255 for second in range(4)]
        sums = [item.share * own + (1 - item.share) * over for over in candidates]
        fitting = [second for second, one in enumerate(sums) if torch.allclose(one, item.image, atol=1e-6)]
        assert item.other in {second % 2 for second in fitting} and 0 <= item.share <= 1
    assert len({item.share for item in items}) > 15
    batch = collate_classes(items)
    assert batch.images.shape == (20, 3, 24, 24) and batch.shares.dtype == torch.float32
    assert batch.labels.tolist() == [index % 2 for _ in range(5) for index in range(4)]


def test_batches(dataset: Dataset) -> None:
    made = examples(dataset, ALL, channels=1)
    batch = collate_classes([made[0, index] for index in range(4)])
    assert batch.images.shape == (4, 1, 24, 24) and batch.images.dtype == torch.float32
    assert batch.images.min() >= 0 and 0.5 < batch.images.max() <= 1
    assert batch.labels.tolist() == batch.others.tolist() == [0, 1, 0, 1]
    assert batch.shares.tolist() == [1.0] * 4 and batch.names[3] == "3.png"
    whole = ClassExamples(dataset.splits["train"], dataset, train=Vary())
    with pytest.raises(OcellusError, match="50x40 and of 40x60 cannot be learnt together: give --short-side"):
        collate_classes([whole[0, 0], whole[0, 1]])
    assert collate_classes([whole[0, 1]]).images.shape == (1, 3, 60, 40)


@pytest.mark.parametrize(
    ("vary", "mixup", "words"),
    [
        (Vary(flip=1.5), 0.0, "--flip is 1.5"),
        (Vary(area_low=0.0), 0.0, "--area-low is 0.0"),
        (Vary(area_low=0.9, area_high=0.5), 0.0, "at most --area-high 0.5"),
        (Vary(aspect=0.5), 0.0, "--aspect is 0.5; it has to be 1 or more"),
        (Vary(), -1.0, "--mixup is -1.0"),
    ],
)
def test_settings_that_make_no_sense(dataset: Dataset, vary: Vary, mixup: float, words: str) -> None:
    with pytest.raises(OcellusError, match=words) as caught:
        examples(dataset, vary, mixup=mixup)
    assert caught.value.exit_code == 2


def test_pictures_without_a_class(dataset: Dataset) -> None:
    bare = tuple(replace(record, label=None) for record in dataset.splits["train"])
    with pytest.raises(OcellusError, match="has no class: read the data with view='labels'"):
        ClassExamples(bare, dataset, train=None)[0, 0]
