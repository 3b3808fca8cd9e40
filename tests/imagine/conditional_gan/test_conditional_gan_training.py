"""Training the conditional GAN: class means, resuming, two processes, measures, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from resuming import assert_resumes, assert_two_processes, make, train

from ocellus import weights
from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine.conditional_gan.config import TINY, Config, Train, adapt
from ocellus.imagine.conditional_gan.inference import draw, noise_of
from ocellus.imagine.conditional_gan.recipe import Recipe
from ocellus.labels import LabelMap
from ocellus.metrics.generated import Against, collapse_lines, compared
from ocellus.see import classifier
from ocellus.training.judge import Judge
from ocellus.training.settings import Fit

SYSTEM = "imagine/conditional_gan"


def shades(folder: Path, *, count: int = 20) -> Dataset:
    """Black pictures and white ones, 16 x 16, with a little noise, each class in a file."""
    folder.mkdir(exist_ok=True)
    dice = np.random.default_rng(0)
    for name, level in (("black", 0), ("white", 225)):
        pictures = level + dice.integers(0, 30, (count, 16, 16))
        np.savez(folder / f"{name}.npz", images=pictures.astype(np.uint8))
    return read(folder, view="labels")


@pytest.mark.parametrize(
    ("condition", "loss"), [("projection", "hinge"), ("concat", "nonsaturating"), ("embedding", "lsgan")]
)
def test_learns_what_the_classes_are(tmp_path: Path, condition: str, loss: str) -> None:
    """Two classes, black and white: pictures of each class have its mean."""
    data = shades(tmp_path / "data")
    values = {
        "condition": condition,
        "loss": loss,
        "steps": 150,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "augment": 0.0,
        "validate_every": 150,
        "measured": 4,
        "log_every": 50,
    }
    recipe = make(SYSTEM, data, values)
    result = train(recipe, data, tmp_path / "run", system=SYSTEM)
    network, _ = weights.load(result.best)
    noise = noise_of(recipe.config, 16, seed=1)
    black, white = (draw(network, noise, torch.full((16,), label)).mean() for label in (0, 1))
    assert black < 0.25 and white > 0.75


def test_without_classes_both_are_drawn(tmp_path: Path) -> None:
    """P(X): the same network without a class draws black and white pictures, by the noise alone."""
    data = shades(tmp_path / "data")
    values = {"condition": "none", "steps": 4, "batch_size": 8, "measured": 4, "validate_every": 4}
    recipe = make(SYSTEM, data, values)
    result = train(recipe, data, tmp_path / "run", system=SYSTEM)
    assert "diversity" in result.metrics and "diversity/black" not in result.metrics
    assert result.metrics["pictures"] >= 8
    noise = noise_of(recipe.config, 4, seed=1)
    first, second = (draw(recipe.network.eval(), noise, torch.full((4,), label)) for label in (0, 1))
    assert torch.equal(first, second)


@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_resumed_run_is_the_same(tmp_path: Path, r1: float) -> None:
    """With a penalty that only some steps have: which ones must not depend on where a run was stopped."""
    data = shades(tmp_path / "data", count=10)
    ending = assert_resumes(SYSTEM, data, tmp_path, r1=r1, r1_every=3, measured=2)
    assert any("parametrizations" in name for name in ending), "the power iteration's vectors are not kept"


def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, shades(tmp_path / "data", count=10), tmp_path, measured=2, batch_size=2)


def test_each_step_moves_its_own_network(tmp_path: Path) -> None:
    data = shades(tmp_path / "data")
    recipe = make(SYSTEM, data, {"r1": 1.0})
    batch = recipe.collate([recipe.examples(data, "train")[0, index] for index in range(4)])
    names = {"discriminator": [], "generator": []}
    optimizers = recipe.configure_optimizers()
    for optimizer, kind in zip(optimizers, ("generator", "discriminator"), strict=True):
        step = optimizer.step
        before = {name: value.detach().clone() for name, value in recipe.named_parameters()}

        def watched(*_: object, kind: str = kind, step: object = step, before: dict = before) -> None:
            now = {name: value.detach().clone() for name, value in recipe.named_parameters()}
            step()  # type: ignore[operator]
            for name, value in recipe.named_parameters():
                if not torch.equal(value, now[name]):
                    names[kind].append(name)

        optimizer.step = watched  # type: ignore[method-assign]
    recipe.optimizers = lambda: optimizers  # type: ignore[method-assign]
    recipe.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    found = recipe.training_step(batch, 0)
    assert set(found) >= {"discriminator", "generator", "r1", "right_on_real", "right_on_fake"}
    assert {name.split(".")[0] for name in names["discriminator"]} == {"discriminator"}
    assert {name.split(".")[0] for name in names["generator"]} == {"network"}
    assert len(names["generator"]) == len(list(recipe.network.parameters()))
    assert all(parameter.requires_grad for parameter in recipe.discriminator.parameters())


def test_r1_by_hand(tmp_path: Path) -> None:
    """Of D(x) = a · x summed over pixels of [-1, 1] the gradient at [0, 1] pictures is 2 a everywhere."""
    data = shades(tmp_path / "data")
    recipe = make(SYSTEM, data, {"r1": 1.0, "r1_every": 2, "augment": 0.0})
    recipe.discriminator = torch.nn.Module()
    recipe.discriminator.forward = lambda images, classes: (3 * (2 * images - 1)).sum((1, 2, 3))[:, None]  # type: ignore[method-assign]
    images, classes = torch.rand(4, 1, 16, 16), torch.zeros(4, dtype=torch.int64)
    recipe.step = 4
    found = recipe.penalty(images, classes)
    assert found is not None and found.item() == pytest.approx(6**2 * 256)
    recipe.step = 5
    assert recipe.penalty(images, classes) is None


def test_sheet_has_a_row_for_each_class(tmp_path: Path) -> None:
    data = shades(tmp_path / "data")
    for condition in ("projection", "none"):
        recipe = make(SYSTEM, data, {"condition": condition})
        sheet = recipe.samples(recipe.network.eval())["samples"]
        assert (
            sheet.shape == (3, 2 + 2 * 18, 2 + 12 * 18) and 0 <= float(sheet.min()) <= float(sheet.max()) <= 1
        )
    assert set(recipe.companions()) == {"discriminator"}
    assert recipe.validator(data, "test") is None


def test_collapse_is_reported() -> None:
    """Figures by hand: distances of two clusters; one class is all the same picture."""
    dice = torch.Generator().manual_seed(0)
    real = torch.rand(40, 1, 16, 16, generator=dice)
    labels = torch.arange(40) % 2
    against = Against.made(real, labels, names=("cat", "train"))
    same, found = compared(real, labels, against=against)
    assert same["diversity"] == pytest.approx(1) and same["diversity_error"] == pytest.approx(0, abs=1e-9)
    assert same["copies"] == 0 and collapse_lines(found) == []
    fake = torch.rand(40, 1, 16, 16, generator=dice)
    fake[labels == 0] = fake[0].clone()
    figures, found = compared(fake, labels, against=against)
    assert figures["diversity/cat"] == 0 and figures["diversity/train"] == pytest.approx(1, abs=0.05)
    assert figures["diversity"] == pytest.approx(0.5, abs=0.05) and figures["copies"] == 1
    assert figures["sliced_wasserstein"] > same["sliced_wasserstein"]
    (line,) = collapse_lines(found)
    assert line.startswith("mode collapse: cat has 0%") and "100% of its 20" in line
    with pytest.raises(OcellusError, match="cat has 1"):
        Against.made(real[:3], torch.tensor([0, 1, 1]), names=("cat", "train"))
    with pytest.raises(OcellusError, match="train to validate on are all the same"):
        Against.made(real[[0, 1, 2, 2]], torch.tensor([0, 0, 1, 1]), names=("cat", "train"))


def judge_of(tmp_path: Path, names: tuple[str, ...] = ("black", "white")) -> Path:
    """A classifier's file that says white of every picture."""
    config = replace(classifier.TINY, channels=1, mean=(0.5,), std=(1.0,))
    torch.manual_seed(0)
    network = classifier.build(config)
    with torch.no_grad():
        network.head.score.weight.zero_()
        network.head.score.bias.copy_(torch.tensor([0.0, 1.0]))
    path = tmp_path / "judge.safetensors"
    weights.save(path, network, weights.describe("see/classifier", config, labels=names))
    return path


def test_a_judge_measures(tmp_path: Path) -> None:
    data, path = shades(tmp_path / "data"), judge_of(tmp_path)
    recipe = make(SYSTEM, data, {"judge": str(path), "monitor": "kid", "measured": 4})
    assert recipe.monitor == "kid" and recipe.lower_is_better
    validate = recipe.validator(data, "val")
    assert validate is not None
    figures = validate(recipe.network.eval())
    assert figures["top1"] == figures["top1_real"] == pytest.approx(0.5)
    assert figures["kid_low"] <= figures["kid"] <= figures["kid_high"]
    assert recipe.state_dict().keys() == make(SYSTEM, data, {}).state_dict().keys(), "the judge is kept"
    judge = Judge.load(path)
    assert judge.scores(torch.rand(3, 3, 20, 20)).shape == (3, 2)
    assert judge.embed(torch.rand(3, 1, 16, 16)).shape[0] == 3
    with pytest.raises(OcellusError, match="does not know grey"):
        judge.labels_of(("black", "grey"))
    with pytest.raises(OcellusError, match="is not there"):
        Judge.load(tmp_path / "none.safetensors")


def test_data_that_does_not_fit(tmp_path: Path) -> None:
    data = shades(tmp_path / "data", count=10)
    assert adapt(Config(), data, pretrained=False).classes == 2
    few = tuple(record for record in data.splits["train"] if record.label == 0)
    with pytest.raises(OcellusError, match="has no pictures of white to train on"):
        adapt(Config(), replace(data, splits={"train": few}), pretrained=False)
    with pytest.raises(OcellusError, match="view='labels'"):
        bare = tuple(replace(record, label=None) for record in few)
        adapt(Config(), replace(data, splits={"train": bare}), pretrained=False)
    with pytest.raises(OcellusError, match="channels"):
        adapt(Config(channels=5), data, pretrained=False)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"loss": "wasserstein"}, "one of minmax, nonsaturating, hinge, lsgan"),
        ({"monitor": "fid"}, "one of sliced_wasserstein"),
        ({"monitor": "kid"}, "--monitor kid takes a --judge"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"beta1": 1.0}, "beta1 is 1.0"),
        ({"discriminator_rate": 0.0}, "above 0"),
    ],
)
def test_settings_that_make_no_sense(changed: dict[str, object], wanted: str) -> None:
    with pytest.raises(OcellusError, match=wanted):
        Recipe(TINY, replace(Train(), **changed), Fit(), LabelMap(("cat", "train")))
    judged = Train(monitor="top1", judge="judge.safetensors")
    for config in (replace(TINY, condition="none"), replace(TINY, classes=1)):
        with pytest.raises(OcellusError, match="no class is: give --monitor kid"):
            Recipe(config, judged, Fit(), LabelMap(("cat",)))
    with pytest.raises(OcellusError, match="pictures of 8x8 pixels are too small"):
        Against.made(torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), names=("cat",))
    with pytest.raises(OcellusError, match="accumulate is 2"):
        Recipe(TINY, Train(), Fit(accumulate=2), LabelMap(("cat", "train")))
