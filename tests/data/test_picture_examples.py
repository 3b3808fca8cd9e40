"""Examples of pictures, pairs and domains: what is thrown, what is varied alike, and that workers agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ocellus.data.degradations import Noise
from ocellus.data.picture_examples import (
    DomainExamples,
    PairExamples,
    PictureExamples,
    collate_domains,
    collate_pairs,
    collate_pictures,
)
from ocellus.data.read import read
from ocellus.errors import OcellusError


@dataclass(frozen=True)
class Vary:
    load: int = 0
    crop: int = 8
    flip: float = 0.5
    turn: float = 0.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pairs side by side: the right half is the left half, inverted."""
    dice = np.random.default_rng(0)
    for number in range(6):
        left = dice.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(tmp_path / f"{number}.png")
    return tmp_path


def pairs(folder: Path, **settings: object) -> PairExamples:
    data = read(folder, view="pairs", val_fraction=0)
    return PairExamples(data.splits["train"], data, **{"train": Vary(), **settings})  # type: ignore[arg-type]


def test_both_of_a_pair_are_varied_alike(folder: Path) -> None:
    examples = pairs(folder)
    looks = set()
    for epoch in range(20):
        item = examples[epoch, epoch % 6]
        assert item.input.shape == (3, 8, 8)
        assert torch.equal(item.target, 255 - item.input)
        looks.add(bytes(item.input.numpy().tobytes()))
    assert len(looks) == 20


def test_crops_reach_every_place_and_are_of_the_picture(folder: Path) -> None:
    examples = pairs(folder, train=Vary(flip=0.0, turn=0.0))
    whole = pairs(folder, train=None)[0, 0].input
    windows = whole.unfold(1, 8, 1).unfold(2, 8, 1)  # (3, 13, 17, 8, 8)
    found = set()
    for epoch in range(400):
        part = examples[epoch, 0].input
        places = (windows == part[:, None, None]).all(dim=(0, 3, 4)).nonzero()
        assert len(places) == 1
        found.add(tuple(places[0].tolist()))
    rows, columns = {row for row, _ in found}, {column for _, column in found}
    assert rows == set(range(13)) and columns == set(range(17))


def test_swapped_pairs_and_one_of_another_number_of_channels(folder: Path) -> None:
    plain, other = pairs(folder), pairs(folder, swapped=True)
    assert torch.equal(plain[3, 2].input, other[3, 2].target)
    grey = pairs(folder, channels=(1, 3))[3, 2]
    assert grey.input.shape == (1, 8, 8) and grey.target.shape == (3, 8, 8)
    turned = pairs(folder, channels=(1, 3), swapped=True)[3, 2]
    assert turned.input.shape == (1, 8, 8) and turned.target.shape == (3, 8, 8)
    assert torch.equal(turned.target, plain[3, 2].input)


def test_example_depends_on_seed_epoch_and_index_alone(folder: Path) -> None:
    first, second = pairs(folder, seed=3), pairs(folder, seed=3)
    keys = [(epoch, index) for epoch in range(3) for index in range(6)]
    forward = {key: first[key] for key in keys}
    for key in reversed(keys):
        torch.rand(5)  # other dice make no difference
        assert torch.equal(second[key].input, forward[key].input)
    other = pairs(folder, seed=4)
    assert any(not torch.equal(other[key].input, forward[key].input) for key in keys)


@pytest.mark.parametrize("kind", ["pictures", "pairs", "domains"])
def test_workers_draw_the_same(folder: Path, kind: str) -> None:
    data = read(folder, view=kind, val_fraction=0)
    made = {"pictures": PictureExamples, "pairs": PairExamples, "domains": DomainExamples}[kind]
    gather = {"pictures": collate_pictures, "pairs": collate_pairs, "domains": collate_domains}[kind]
    keys = [[(epoch, index) for index in range(3)] for epoch in range(3)]
    batches = []
    for workers in (0, 2):
        examples = made(data.splits["train"], data, train=Vary(), seed=1)
        loader = DataLoader(examples, batch_sampler=keys, collate_fn=gather, num_workers=workers)
        batches.append(list(loader))
    for alone, together in zip(*batches, strict=True):
        assert all(
            torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
            for a, b in zip(alone, together, strict=True)
        )


def test_pictures_are_decoded_once(folder: Path) -> None:
    examples = pairs(folder)
    before = examples[0, 1]
    for file in folder.iterdir():
        file.unlink()
    assert torch.equal(examples[0, 1].input, before.input)
    with pytest.raises(OcellusError, match=r"0\.png"):
        examples[0, 0]


def test_condition_is_made_of_the_varied_answer(folder: Path) -> None:
    data = read(folder, view="pictures", val_fraction=0)
    examples = PairExamples(data.splits["train"], data, train=Vary(), degrade=Noise(0.1, 0.1))
    alone = PictureExamples(data.splits["train"], data, train=Vary())
    item, again = examples[2, 4], examples[2, 4]
    assert torch.equal(item.target, alone[2, 4].image.float() / 255)
    assert torch.equal(item.input, again.input) and not torch.equal(item.input, item.target)
    assert not torch.equal(examples[3, 4].input, item.input)
    with pytest.raises(OcellusError, match=r'read as pictures.*view="pairs"'):
        PairExamples(data.splits["train"], data, train=Vary())


def test_whole_pictures_are_resized_and_cut_in_the_middle(folder: Path) -> None:
    data = read(folder, view="pictures", val_fraction=0)
    whole = PictureExamples(data.splits["train"], data, train=None)[0, 0].image
    assert whole.shape == (3, 20, 48)
    cut = PictureExamples(data.splits["train"], data, train=None, crop=10)[0, 0].image
    assert torch.equal(cut, whole[:, 5:15, 19:29])
    small = PictureExamples(data.splits["train"], data, train=None, load=10)[5, 0].image
    with Image.open(data.splits["train"][0].image) as image:
        oracle = np.asarray(image.resize((24, 10), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert int((small.int() - torch.from_numpy(oracle.copy()).int()).abs().max()) <= 1
    assert PictureExamples(data.splits["train"], data, train=None, crop=30)[0, 0].image.shape == (3, 30, 30)


def test_larger_domain_in_order_and_the_other_thrown(tmp_path: Path) -> None:
    for place, count in (("A", 3), ("B", 8)):
        (tmp_path / place).mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, place == "B")).save(tmp_path / place / f"{number}.png")
    data = read(tmp_path, view="domains", val_fraction=0)
    examples = DomainExamples(data.splits["train"], data, train=Vary(flip=0.0, turn=0.0))
    assert len(examples) == 8
    batch = collate_domains([examples[0, index] for index in range(8)])
    assert (batch.b[:, 0, 0, 0] * 255).round().tolist() == list(range(8))
    thrown = [int(examples[epoch, index].a[0, 0, 0]) for epoch in range(20) for index in range(8)]
    assert all(30 < thrown.count(number) < 80 for number in range(3))
    assert batch.names[0].startswith("A/") and batch.names[0].endswith("B/0.png")
    only = [record for record in data.splits["train"] if record.label == 0]
    with pytest.raises(OcellusError, match="no pictures of the domain B"):
        DomainExamples(only, data, train=None)


def test_batches_are_floats_of_one_size(folder: Path) -> None:
    batch = collate_pairs([pairs(folder)[0, index] for index in range(4)])
    assert batch.inputs.shape == (4, 3, 8, 8) and batch.inputs.dtype == torch.float32
    assert torch.allclose(batch.inputs + batch.targets, torch.ones(()))
    uneven = [pairs(folder, train=None)[0, 0], pairs(folder, train=None, load=10)[0, 1]]
    with pytest.raises(OcellusError, match=r"24x20 and of 12x10 .*--crop"):
        collate_pairs(uneven)


@pytest.mark.parametrize("wrong", [Vary(flip=1.5), Vary(load=4, crop=8), Vary(crop=-1)])
def test_settings_that_cannot_be(folder: Path, wrong: Vary) -> None:
    with pytest.raises(OcellusError, match="it has to be"):
        pairs(folder, train=wrong)
