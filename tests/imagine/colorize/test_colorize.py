"""Colorization: the published network's answers, the grid, encodings by hand, sizes, training, refusals."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import assert_resumes, assert_two_processes, make
from skimage import color, data

from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine.colorize.config import TINY, Run
from ocellus.imagine.colorize.convert import import_state
from ocellus.imagine.colorize.inference import colours, generate
from ocellus.imagine.colorize.loss import class_loss, distance_loss, encode, rarity, small_colours, smoothed
from ocellus.imagine.colorize.model import build, grid
from ocellus.nn.lab import rgb_to_lab
from ocellus.values import Picture

SYSTEM = "imagine/colorize"
WORST = 1e-4
GAN = {"head": "regression", "adversarial": 0.5, "ema": 0.9}


def fixture(shared: Path) -> tuple[Any, Any]:
    """The golden files' own reader, and what it reads."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity, parity.load(shared / "parity" / "colorize-eccv16")


def test_answers_as_the_published_network(shared: Path) -> None:
    parity, golden = fixture(shared)
    config, state, _ = import_state(golden.state)
    network = build(config).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        logits = network.answer(*golden.inputs)
        ab = network.colours(logits, size=(128, 160))
    assert parity.compare(logits, golden.outputs["bins"])[1] <= WORST
    assert parity.compare(ab, golden.outputs["out"])[1] <= WORST


def test_refuses_other_checkpoints() -> None:
    with pytest.raises(OcellusError, match="are not those of the colorization network eccv16"):
        import_state({"a": torch.zeros(1)})
    hints = {"model1.0.weight": torch.zeros(64, 4, 3, 3), "model_out.weight": torch.zeros(2, 313, 1, 1)}
    with pytest.raises(OcellusError, match="siggraph17"):
        import_state(hints)


def test_grid_is_the_corners_of_the_gamuts_squares() -> None:
    """313 points in order of a, then b; all corners of squares with a colour of sRGB, and four more."""
    bins = grid()
    assert bins.shape == (313, 2)
    points = [tuple(int(value) for value in row) for row in bins]
    assert points == sorted(set(points)) and points[0] == (-90, 50) and points[-1] == (100, 0)
    levels = np.arange(0, 256, 3) / 255
    faces = np.stack(np.meshgrid(levels, levels, [0, 1], indexing="ij"), -1).reshape(-1, 3)
    surface = np.concatenate([np.roll(faces, turn, 1) for turn in range(3)])
    squares = np.unique(np.floor(color.rgb2lab(surface[None])[0, :, 1:] / 10).astype(int), axis=0)
    corners = {(10 * int(a + i), 10 * int(b + j)) for a, b in squares for i in (0, 1) for j in (0, 1)}
    assert corners <= set(points)
    assert set(points) - corners >= {(40, 90), (100, -90), (100, -10), (100, 0)}
    assert len(corners) >= 305  # the fourth digit of the sampling decides on a few corners


def test_encoding_by_hand() -> None:
    """(3, 0): the bin (0, 0) is 3 away, (10, 0) 7; (0, 10) and (0, -10) share the next place."""
    places, shares = encode(torch.tensor([[3.0, 0.0]]), grid())
    found = {
        tuple(grid()[place].int().tolist()): float(share)
        for place, share in zip(places[0], shares[0], strict=True)
    }
    squares = {(0, 0): 9, (10, 0): 49, (0, 10): 109, (0, -10): 109}
    assert next(iter(found)) == (0, 0) and set(squares) < set(found) and len(found) == 5
    fifth = next(iter(set(found) - set(squares)))
    assert fifth in ((10, 10), (10, -10))  # 149 both
    total = sum(math.exp(-value / 50) for value in (*squares.values(), 149))
    for point, value in squares.items():
        assert found[point] == pytest.approx(math.exp(-value / 50) / total, rel=1e-4)
    exact, one = encode(grid(), grid(), neighbours=1)
    assert torch.equal(exact[:, 0], torch.arange(313)) and (one == 1).all()


def test_rarity_by_hand() -> None:
    """Lambda 0.5 and two bins of 0.9 and 0.1: weights 1 / 0.7 and 1 / 0.3, divided by their mean."""
    found = rarity(torch.tensor([0.9, 0.1]), rebalance=0.5)
    mean = 0.9 / 0.7 + 0.1 / 0.3
    torch.testing.assert_close(found, torch.tensor([1 / 0.7 / mean, 1 / 0.3 / mean]))
    assert torch.equal(rarity(torch.tensor([0.9, 0.1]), rebalance=1.0), torch.ones(2))
    bins = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    spread = smoothed(torch.tensor([1.0, 0.0]), bins, sigma=5.0)
    next_to = math.exp(-2)  # 10² / (2 5²)
    torch.testing.assert_close(spread, torch.tensor([1 / (1 + next_to), next_to / (1 + next_to)]))


def test_losses_by_hand() -> None:
    """Logits that are all alike cost log 313, times the weight of the true bin."""
    bins, logits = grid(), torch.zeros(1, 313, 2, 2)
    weights = torch.ones(313)
    truth = torch.zeros(1, 2, 8, 8)
    assert float(class_loss(logits, truth, bins, weights=weights)) == pytest.approx(math.log(313), rel=1e-4)
    weights[int((bins == 0).all(1).nonzero())] = 3.0
    assert float(class_loss(logits, truth, bins, weights=weights)) == pytest.approx(
        3 * math.log(313), rel=1e-4
    )
    assert float(distance_loss(truth + 11, truth, kind="l1")) == pytest.approx(0.1)
    assert float(distance_loss(truth + 11, truth, kind="mse")) == pytest.approx(0.01)
    ramp = torch.arange(8.0).expand(1, 2, 6, 8)
    assert small_colours(ramp, (2, 2))[0, 0].tolist() == [[1.5, 5.5], [1.5, 5.5]]


def test_annealed_mean_goes_from_mean_to_peak() -> None:
    network = build(TINY)
    logits = torch.full((1, 313, 1, 1), -50.0)
    first, second = 100, 250
    logits[0, first], logits[0, second] = 1.0, 0.5
    half = 1 / (1 + math.exp(-0.5))
    mean = half * network.bins[first] + (1 - half) * network.bins[second]
    found = network.colours(logits, size=(4, 4), temperature=1.0)[0, :, 0, 0]
    torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-3)
    peak = network.colours(logits, size=(4, 4), temperature=0.01)[0, :, 0, 0]
    torch.testing.assert_close(peak, network.bins[first])


@pytest.mark.parametrize("size", [(1, 1), (37, 50), (64, 33)])
def test_pictures_of_any_size_keep_their_brightness(size: tuple[int, int]) -> None:
    """Full-resolution brightness stays; the picture's own colours have no say."""
    torch.manual_seed(0)
    network = build(TINY)
    pixels = torch.randint(60, 200, (3, *size), dtype=torch.uint8)
    made = generate(network, Picture(pixels=pixels, path="a.png"))
    assert made.size == size and made.path == "a.png" and network.training
    light = rgb_to_lab(pixels[None].float() / 255)[:, :1]
    ab = colours(network, light)
    assert ab.abs().max() < 60, "a fresh network is nearly colourless, so no colour is clamped"
    again = rgb_to_lab(made.pixels[None].float() / 255)
    assert (again[:, :1] - light).abs().mean() < 1.0
    grey = Picture(pixels=pixels[:1].expand(3, -1, -1).contiguous())
    assert generate(network, grey, options=Run(annealing=0.1)).size == size
    with pytest.raises(OcellusError, match="--annealing 2"):
        generate(network, grey, options=Run(annealing=2.0))
    with pytest.raises(OcellusError, match="--annealing is for a distribution"):
        generate(build(replace(TINY, head="regression")), grey, options=Run(annealing=0.5))


def pictures(folder: Path, *, count: int = 4) -> Dataset:
    """Parts of a photograph in colour."""
    photograph = data.astronaut()[::4, ::4]
    for split, many in (("train", count), ("val", 2)):
        (folder / split).mkdir(parents=True)
        for number in range(many):
            part = photograph[8 * number : 8 * number + 48, 10 * number : 10 * number + 56]
            Image.fromarray(part).save(folder / split / f"{number}.png")
    return read(folder, view="pictures")


@pytest.mark.parametrize("head", ["bins", "regression"])
def test_learns_a_picture(tmp_path: Path, head: str) -> None:
    dataset = pictures(tmp_path, count=1)
    settings = {"head": head, "width": 8, "crop": 0, "flip": 0.0, "short_side": 0, "rebalance": 1.0}
    recipe = make(SYSTEM, dataset, settings)
    example = recipe.examples(dataset, "train")[0, 0].image[None].float() / 255
    optimizer = torch.optim.Adam(recipe.network.parameters(), 5e-3)
    record = dataset.splits["train"][0]
    before = recipe.measure(recipe.network, record)
    batch = type("Batch", (), {"images": example})()
    for _ in range(120):
        loss = recipe.training_step(batch, 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = recipe.measure(recipe.network, record)
    assert after["psnr"] > before["psnr"] + 3 and after["accuracy"] > before["accuracy"]
    sheet = recipe.samples(recipe.network)
    assert not sheet and recipe.validator(dataset, "val") is not None
    assert recipe.samples(recipe.network)["coloured"].shape == (3, 2 * 160, 3 * 160)


def test_grey_pictures_are_refused_by_name(tmp_path: Path) -> None:
    dataset = pictures(tmp_path)
    Image.open(tmp_path / "train" / "2.png").convert("L").save(tmp_path / "train" / "2.png")
    recipe = make(SYSTEM, dataset, {})
    with pytest.raises(OcellusError, match=r"2\.png is grey"):
        recipe.examples(dataset, "train")


def test_rare_colours_count_more(tmp_path: Path) -> None:
    """Weights fall as the bins' frequencies rise, and their mean over the data is 1."""
    dataset = pictures(tmp_path)
    recipe = make(SYSTEM, dataset, {"rebalance": 0.5})
    recipe.examples(dataset, "train")
    grey = int((recipe.network.bins == 0).all(1).nonzero())
    assert recipe.weights[grey] < 0.7 < 1 < recipe.weights.max()
    plain = make(SYSTEM, dataset, {"rebalance": 1.0})
    plain.examples(dataset, "train")
    torch.testing.assert_close(plain.weights, torch.ones(313))


def test_balanced_accuracy_is_the_same_measure_for_all(tmp_path: Path) -> None:
    """Of one network: in any training, and where there is none; and not the plain accuracy."""
    dataset = pictures(tmp_path)
    network = make(SYSTEM, dataset, {}).network
    found = []
    for settings, training in (({"rebalance": 1.0}, True), ({"rebalance": 0.2}, True), ({}, False)):
        recipe = make(SYSTEM, dataset, settings)
        if training:
            recipe.examples(dataset, "train")
        found.append(recipe.validator(dataset, "val")(network))
    assert found[0] == found[1] == found[2]
    assert found[0]["balanced_accuracy"] < found[0]["accuracy"] - 1e-3


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    assert_resumes(SYSTEM, pictures(tmp_path / "data"), tmp_path / "runs", ema=0.9)


def test_resumed_is_uninterrupted_with_an_adversary(tmp_path: Path) -> None:
    assert_resumes(SYSTEM, pictures(tmp_path / "data"), tmp_path / "runs", **GAN)


def test_two_processes_with_an_adversary(tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, pictures(tmp_path / "data"), tmp_path, **GAN)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adversarial": 1.0}, "give --head regression"),
        ({"rebalance": 2.0}, "rebalance is 2.0"),
        ({"head": "dream"}, "head is 'dream'"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_refuses_trainings_that_cannot_be(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    dataset = pictures(tmp_path)
    with pytest.raises(OcellusError, match=message):
        make(SYSTEM, dataset, settings)


def test_fresh_answers_do_not_depend_on_padding() -> None:
    """A picture whose sides are no multiples of 8 is continued, and cut back."""
    network = build(replace(TINY, short_side=0)).eval()
    with torch.no_grad():
        raw = network(torch.rand(2, 3, 21, 30))
    assert raw.pictures.shape == (2, 3, 21, 30) and raw.logits.shape == (2, 313, 6, 8)
