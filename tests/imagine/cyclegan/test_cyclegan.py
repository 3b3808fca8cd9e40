"""CycleGAN: its losses by hand, both ways, what is refused, published checkpoints, training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from resuming import assert_resumes, assert_two_processes, logged, make, train
from translations import parity, write_pairs

from ocellus import weights
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine import cyclegan
from ocellus.imagine.cyclegan.config import Run, Train
from ocellus.imagine.cyclegan.loss import Tour, generator_terms, judge_loss
from ocellus.values import Picture

SYSTEM = "imagine/cyclegan"
TINY = cyclegan.TINY


def picture(height: int = 37, width: int = 50) -> Picture:
    torch.manual_seed(height)
    return Picture(pixels=torch.randint(0, 256, (3, height, width), dtype=torch.uint8))


def full(value: float) -> torch.Tensor:
    return torch.full((1, 3, 2, 2), value)


def test_losses_by_hand() -> None:
    tour = Tour(full(0.1), full(0.2), full(0.3), full(0.4), full(0.5), full(0.6))
    terms = generator_terms(tour, full(0.5), full(0.25), logits=(full(0.0), full(3.0)), train=Train())
    wanted = {
        "gan/a": (0 - 1) ** 2,
        "gan/b": (3 - 1) ** 2,
        "cycle/a": 10 * 2 * 0.2,
        "cycle/b": 10 * 2 * 0.15,
        "identity/a": 5 * 2 * 0.1,
        "identity/b": 5 * 2 * 0.25,
    }
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(wanted, abs=1e-5)
    assert float(judge_loss(full(0.5), full(2.0), Train())) == 0.5 * (0.25 + 4)
    alone = Tour(full(0.1), full(0.2), None, None, None, None)
    terms = generator_terms(alone, full(0.5), full(0.25), logits=(full(0.0), full(3.0)), train=Train())
    assert list(terms) == ["gan/a", "gan/b"]


def test_published_checkpoints_are_imported(shared: Path) -> None:
    golden = parity(shared).load(shared / "parity" / "cyclegan-resnet_9blocks")
    config, state, labels = cyclegan.import_state(golden.state)
    assert config == replace(cyclegan.PAPER, ways="forward") and labels.names == ("A", "B")
    network = cyclegan.build(config).eval()
    weights.load_state(network, state, source="golden")
    with torch.no_grad():
        made = network((golden.inputs[0] + 1) / 2).pictures
    assert parity(shared).compare(made * 2 - 1, golden.outputs["out"])[1] <= 1e-4
    back = {f"also.{name}": value * 0.5 for name, value in golden.state.items()}
    old = {"also.model.2.running_mean": torch.zeros(64), "model.2.running_var": torch.ones(64)}
    config, state, _ = cyclegan.import_state(golden.state | back | old, names=("horse", "zebra"))
    assert config == cyclegan.PAPER
    both = cyclegan.build(config)
    weights.load_state(both, state, source="golden")
    assert torch.equal(both.back.stem.weight, 0.5 * both.forth.stem.weight)
    with pytest.raises(OcellusError, match="1 names for two domains"):
        cyclegan.import_state(golden.state, names=("horse",))


def test_way_of_one_generator_alone() -> None:
    network = cyclegan.build(replace(TINY, ways="forward"))
    assert cyclegan.generate(network, picture()).size == (37, 50)
    for options in (Run(direction="backward"), Run(back=True)):
        with pytest.raises(OcellusError, match=r"from A to B alone.*--also"):
            cyclegan.generate(network, picture(), options=options)
    with pytest.raises(OcellusError, match="training takes both"):
        cyclegan.begin_state(cyclegan.build(TINY), network)


def test_both_ways_and_there_and_back() -> None:
    torch.manual_seed(0)
    network, names = cyclegan.build(TINY).train(), ("photo", "drawing")
    image = picture()
    forward = cyclegan.generate(network, image, names=names).pixels
    by_name = cyclegan.generate(network, image, names=names, options=Run(direction="drawing")).pixels
    backward = cyclegan.generate(network, image, names=names, options=Run(direction="photo")).pixels
    assert torch.equal(forward, by_name) and not torch.equal(forward, backward)
    assert network.training and all(module.training for module in network.modules())
    journey = cyclegan.there_and_back(network, image)
    assert torch.equal(journey.made.pixels, forward)
    again = cyclegan.generate(network, journey.made, options=Run(direction="backward"))
    assert torch.equal(journey.again.pixels, again.pixels)
    assert journey.error == pytest.approx(float((again.floats() - image.floats()).abs().mean()))
    sheet = cyclegan.generate(network, image, options=Run(back=True))
    assert sheet.facts == {"cycle error": journey.error}
    assert sheet.size == (37, 4 * 50) and torch.equal(sheet.pixels[:, :, :50], image.pixels)
    white = 255 - (again.pixels.int() - image.pixels.int()).abs()
    assert (sheet.pixels[:, :, 150:].int() - white).abs().max() <= 1
    with pytest.raises(OcellusError, match=r"no direction 'painting'.*'drawing' \(from photo\)") as caught:
        cyclegan.generate(network, image, names=names, options=Run(direction="painting"))
    assert caught.value.exit_code == 2


def test_raw_has_both_and_the_judges_a_file(tmp_path: Path) -> None:
    network = cyclegan.build(TINY).eval()
    raw = network(*cyclegan.example(TINY, count=2))
    assert raw.pictures.shape == raw.others.shape == (2, 3, 32, 32)
    judges = cyclegan.build_discriminator(TINY).eval()
    path = tmp_path / "discriminator.safetensors"
    weights.save(path, judges, weights.describe(SYSTEM, TINY, part="discriminator"))
    again, _ = weights.load(path)
    images = torch.rand(1, 3, 40, 40)
    assert torch.equal(again(images), judges.b(images)) and torch.equal(again.a(images), judges.a(images))


def test_resumed_is_bit_equal_with_the_pools(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="domains")
    found = assert_resumes(SYSTEM, data, tmp_path, ema=0.9)
    for name in "ab":
        held = [value for key, value in found.items() if key.startswith(f"extra.pools.{name}.held.")]
        assert [image.shape for image in held] == 3 * [(3, 32, 32)]


def test_two_processes(tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, read(write_pairs(tmp_path / "pairs"), view="domains"), tmp_path)


def test_way_back_is_learned(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs", train=4, val=4), view="domains")
    values = {"steps": 60, "validate_every": 60, "flip": 0.0, "load": 32, "learning_rate": 3e-3, "width": 8}
    recipe = make(SYSTEM, data, {**values, "monitor": "cycle"})
    before = recipe.validator(data, "val")(recipe.network.eval())["cycle"]
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    lines = logged(tmp_path / "run")
    assert lines[-1]["cycle"] < 0.5 * before
    wanted = {
        "gan/a",
        "gan/b",
        "cycle/a",
        "identity/b",
        "discriminator",
        "right_on_real/a",
        "right_on_fake/b",
    }
    assert wanted | {"gradient_norm/generator", "gradient_norm/discriminator"} <= lines[0].keys()
    assert {"swd", "diversity/a", "diversity/b"} <= lines[-1].keys()
    sheets = recipe.samples(recipe.network.eval())
    assert sheets.keys() == {"forward", "backward"}


def test_without_the_cycle_loss_nothing_goes_back(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="domains")
    recipe = make(SYSTEM, data, {"steps": 1, "cycle": 0.0, "identity": 0.0})
    tour = recipe.tour(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert tour.again_a is tour.again_b is tour.same_a is tour.same_b is None
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    assert "cycle/a" not in logged(tmp_path / "run")[0] and "cycle" in logged(tmp_path / "run")[-1]


def test_judges_learn_nothing_in_the_generators_step(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="domains")
    recipe = make(SYSTEM, data, {"steps": 1})
    seen, backward = [], recipe.manual_backward

    def looked(loss: torch.Tensor) -> None:
        parts = {"g": recipe.network, "d": recipe.discriminator}
        for part in parts.values():
            part.zero_grad(set_to_none=True)
        backward(loss)
        seen.append(
            [name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())]
        )

    recipe.manual_backward = looked
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    assert seen == [["g"], ["d"]]


def test_data_that_does_not_fit(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    for config, view, words in (
        (TINY, "pairs", "read as pairs, wanted are two domains"),
        (replace(TINY, outputs=1), "domains", "--channels 3 and --outputs 1"),
        (replace(TINY, ways="forward"), "domains", "training takes both"),
    ):
        with pytest.raises(OcellusError, match=words):
            cyclegan.adapt(config, read(root, view=view), pretrained=False)


def test_one_picture_only(tmp_path: Path) -> None:
    """Halves of one pair are no two domains: the one picture is of one of them."""
    root = write_pairs(tmp_path / "pairs", train=1, val=0)
    with pytest.raises(OcellusError, match="no pictures of the domain"):
        make(SYSTEM, read(root, view="domains"), {})
