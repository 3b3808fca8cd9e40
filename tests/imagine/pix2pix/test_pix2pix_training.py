"""Training pix2pix: it learns, each network learns in its own step, and a run is the same however it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from resuming import assert_resumes, assert_two_processes, logged, make, train
from translations import write_pairs

from ocellus.data.read import read
from ocellus.errors import OcellusError

SYSTEM = "imagine/pix2pix"


def test_resumed_is_bit_equal(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    found = assert_resumes(SYSTEM, data, tmp_path, ema=0.9)
    assert {name.split(".")[0] for name in found} >= {"recipe", "ema", "best", "optimizer", "metrics"}


def test_two_processes(tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, read(write_pairs(tmp_path / "pairs"), view="pairs"), tmp_path)


def test_pair_is_learned_by_heart_and_the_figures_are_logged(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs", train=1, val=1), view="pairs")
    data.splits["val"] = data.splits["train"]
    values = {"steps": 80, "validate_every": 80, "batch_size": 1, "flip": 0.0, "load": 32, "width": 8}
    recipe = make(SYSTEM, data, {**values, "learning_rate": 2e-3, "dropout": False, "monitor": "l1"})
    before = recipe.validator(data, "val")(recipe.network.eval())["l1"]
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    lines = logged(tmp_path / "run")
    assert lines[-1]["l1"] < 0.25 * before < 0.25
    wanted = {"generator", "gan", "l1", "discriminator", "right_on_real", "right_on_fake"}
    assert wanted | {"gradient_norm/generator", "gradient_norm/discriminator"} <= lines[0].keys()
    sheets = recipe.samples(recipe.network.eval())
    assert {name: sheet.shape[0] for name, sheet in sheets.items()} == {"answers": 3}


@pytest.mark.parametrize("loss", ["l1", "gan"])
def test_each_loss_alone(tmp_path: Path, loss: str) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    recipe = make(SYSTEM, data, {"steps": 2, "loss": loss})
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    line = logged(tmp_path / "run")[0]
    assert ("l1" in line, "gan" in line) == (loss == "l1", loss == "gan")
    assert (recipe.discriminator is None) == (loss == "l1") == (recipe.companions() == {})


def test_discriminator_learns_nothing_in_the_generator_s_step(tmp_path: Path) -> None:
    """Seen at the moment of each optimizer's step: whose parameters have gradients."""
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    recipe = make(SYSTEM, data, {"steps": 1})
    seen = []
    backward = recipe.manual_backward

    def looked(loss: torch.Tensor) -> None:
        parts = {"g": recipe.network, "d": recipe.discriminator}
        for part in parts.values():
            part.zero_grad(set_to_none=True)
        backward(loss)
        graded = [name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())]
        seen.append(graded)

    recipe.manual_backward = looked
    train(recipe, data, tmp_path / "run", system=SYSTEM)
    assert seen == [["d"], ["g"]]
    assert all(parameter.requires_grad for parameter in recipe.parameters())


def test_edges_are_made_on_the_way(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pictures")
    recipe = make(SYSTEM, data, {"steps": 2, "condition": "edges", "channels": 1})
    batch = recipe.collate([recipe.examples(data, "train")[0, index] for index in range(2)])
    assert batch.inputs.shape == (2, 1, 32, 32) and batch.targets.shape == (2, 3, 32, 32)
    train(recipe, data, tmp_path / "run", system=SYSTEM)


def test_backward_swaps_the_halves(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    one, other = (
        make(SYSTEM, data, {"direction": direction}).examples(data, "train")[0, 0]
        for direction in ("forward", "backward")
    )
    assert torch.equal(one.input, other.target) and torch.equal(one.target, other.input)


def test_number_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    recipe = make(SYSTEM, data, {})
    before = recipe.training_step

    def poisoned(batch, index):
        inputs = batch.inputs / 0 if recipe.step == 3 else batch.inputs
        return before(batch._replace(inputs=inputs), index)

    recipe.training_step = lambda *given: poisoned(*given[-2:])
    with pytest.raises(OcellusError, match="step 4 gave numbers that are not finite"):
        train(recipe, data, tmp_path / "run", system=SYSTEM)
    assert all(parameter.isfinite().all() for parameter in recipe.parameters())


def test_whole_pictures_of_several_sizes_are_measured_and_all_shown(tmp_path: Path) -> None:
    """Neither the network nor the recipe has a size: squares of one are measured; three pairs, two rows."""
    root = write_pairs(tmp_path / "pairs", train=2, val=2)
    write_pairs(tmp_path / "other", train=0, val=1, size=(44, 48))
    (tmp_path / "other" / "val" / "0.png").rename(root / "val" / "9.png")
    data = read(root, view="pairs")
    recipe = make(SYSTEM, data, {"short_side": 0, "crop": 0, "load": 0, "batch_size": 1})
    figures = recipe.validator(data, "val")(recipe.network.eval())
    assert figures["pictures"] == 3
    assert recipe.samples(recipe.network)["answers"].shape == (3, 2 + 2 * 258, 2 + 6 * 258)


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    data = read(write_pairs(tmp_path / "pairs"), view="pairs")
    for name, value in (("loss", "l2"), ("game", "poker"), ("monitor", "fid")):
        with pytest.raises(OcellusError, match=f"{name} is '{value}'"):
            make(SYSTEM, data, {name: value})


def test_pairs_of_different_size_are_refused(tmp_path: Path) -> None:
    from PIL import Image

    for folder, size in (("A", (40, 40)), ("B", (40, 36))):
        (tmp_path / "two" / folder).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", size).save(tmp_path / "two" / folder / f"{index}.png")
    with pytest.raises(OcellusError, match=r"\d\.png"):
        data = read(tmp_path / "two", view="pairs")
        recipe = make(SYSTEM, data, {})
        recipe.examples(data, "train")[0, 0]
