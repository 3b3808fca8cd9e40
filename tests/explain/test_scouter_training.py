"""Training SCOUTER: it learns, why and why not; killed and resumed; beginnings; the whole way by command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from resuming import assert_resumes, make

from ocellus import weights
from ocellus.cli import main
from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.explain.scouter.config import THUMBNAILS, TINY, Config, Train, adapt
from ocellus.explain.scouter.convert import begin_state
from ocellus.explain.scouter.model import ARCHITECTURES, build
from ocellus.explain.scouter.recipe import Recipe
from ocellus.labels import LabelMap
from ocellus.see.classifier.config import Config as Classifier
from ocellus.see.classifier.model import build as build_classifier
from ocellus.training.optimizers import backbone_stage
from ocellus.training.settings import Fit

PLAIN = Train(flip=0.0, area_low=1.0, aspect=1.0)
GREY = replace(THUMBNAILS, classes=2, channels=1, depth=8, width=8, hidden=16, short_side=24, crop=24)
COMMAND = ["--preset", "tiny", "--channels", "1", "--device", "cpu", "--precision", "32", "--steps", "4"]


def bars(folder: Path, *, count: int = 20) -> Dataset:
    """A bright bar in noise, upright or lying, 24 x 24; each class in a file."""
    folder.mkdir(exist_ok=True)
    dice = np.random.default_rng(0)
    for name in ("lying", "upright"):
        pictures = dice.integers(0, 40, (count, 24, 24), np.uint8)
        for one in pictures:
            row, column = dice.integers(2, 17, 2)
            part = np.s_[row : row + 3, 6:18] if name == "lying" else np.s_[6:18, column : column + 3]
            one[part] = 230
        np.savez(folder / f"{name}.npz", images=pictures)
    return read(folder, view="labels")


def recipe(config: Config = GREY, *, sampling: Train = PLAIN) -> Recipe:
    return Recipe(config, sampling, Fit(precision="32"), LabelMap(("lying", "upright")))


@pytest.mark.parametrize("says", ["why", "why_not"])
def test_overfits_one_batch(tmp_path: Path, says: str) -> None:
    """The scores are right, and the slots of the true class alone attend, or those of the other one alone."""
    made = recipe(replace(GREY, says=says), sampling=replace(PLAIN, area_loss=1.0))
    examples = made.examples(bars(tmp_path), "train")
    batch = made.collate([examples[0, index] for index in range(0, len(examples), 2)])
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    seen = []
    for step in range(50):
        terms = made.training_step(batch, step)
        assert set(terms) == {"loss", "cross_entropy", "area"}
        assert terms["loss"] == terms["cross_entropy"] + terms["area"]
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        seen.append({name: value.item() for name, value in terms.items()})
    assert seen[-1]["cross_entropy"] < 0.1 * seen[0]["cross_entropy"]
    assert seen[-1]["area"] < 0.7 * seen[0]["area"]
    with torch.no_grad():
        attention = made.network(batch.images).attention.mean(dim=(2, 3, 4))  # (B, K)
    own = attention.gather(1, batch.labels[:, None]).mean()
    other = attention.gather(1, 1 - batch.labels[:, None]).mean()
    assert (own > 1.5 * other) if says == "why" else (other > 1.5 * own)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("iterations", [1, 3])
def test_every_parameter_learns(kind: str, iterations: int, tmp_path: Path) -> None:
    """Processes wait for each other's gradients."""
    config = replace(
        GREY, architecture=kind, iterations=iterations, depth=18 if kind == "resnet" else 0, width=4,
        stride=ARCHITECTURES[kind].strides[-2], short_side=32, crop=32,
    )  # fmt: skip
    made = recipe(config)
    examples = made.examples(bars(tmp_path, count=4), "train")
    made.training_step(made.collate([examples[0, index] for index in range(4)]), 0)["loss"].backward()
    assert not [name for name, value in made.network.named_parameters() if value.grad is None]
    stages = {backbone_stage(name) for name, _ in made.network.named_parameters()}
    assert None in stages and 1 in stages


def test_killed_and_resumed(tmp_path: Path) -> None:
    ended = assert_resumes(
        "explain/scouter", bars(tmp_path / "data", count=6), tmp_path, channels=1, ema=0.9, color=0.3
    )
    assert any("slots.initial" in name for name in ended)


def test_adapt(tmp_path: Path) -> None:
    data = bars(tmp_path, count=4)
    found = adapt(Config(channels=1), data, pretrained=False)
    assert found.classes == 2 and found.mean == (pytest.approx(0.449),)
    with pytest.raises(OcellusError, match="frozen norms"):
        adapt(Config(norm="frozen"), data, pretrained=False)
    with pytest.raises(OcellusError, match="takes two or more"):
        adapt(Config(), replace(data, labels=LabelMap(("lying",))), pretrained=False)
    with pytest.raises(OcellusError, match="channels"):
        adapt(Config(channels=5), data, pretrained=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"area_loss": -1.0}, "--area-loss is -1.0; it has to be 0 or more"),
        ({"area_power": 0.0}, "--area-power is 0.0; it has to be above 0"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, float], words: str) -> None:
    with pytest.raises(OcellusError, match=words) as caught:
        recipe(sampling=replace(PLAIN, **given))
    assert caught.value.exit_code == 2


def test_a_classifier_is_a_beginning() -> None:
    """Its features are those of the classifier, at another stride too; the slots are fresh."""
    torch.manual_seed(0)
    theirs = build_classifier(Classifier(architecture="resnet", depth=18, width=4, classes=5)).eval()
    config = Config(architecture="resnet", depth=18, width=4, classes=3, stride=16)
    network = build(config).eval()
    fresh = network.slots.initial.clone()
    network.load_state_dict(begin_state(network, theirs))
    images = torch.rand(1, 3, 64, 64)
    same = build(replace(config, stride=32)).eval()
    same.load_state_dict(begin_state(same, theirs))
    with torch.no_grad():
        torch.testing.assert_close(same.features(images), theirs.features(images))
        torch.testing.assert_close(network.backbone.stem(images), theirs.backbone.stem(images))
    assert torch.equal(network.slots.initial, fresh)
    for changed, words in (
        ({"width": 8}, "width 4, not 8: give --width 4"),
        ({"depth": 34}, "depth 18, not 34"),
        ({"std": (1.0,)}, "std .* not"),
    ):
        with pytest.raises(OcellusError, match=words):
            begin_state(build(replace(config, **changed)), theirs)  # type: ignore[arg-type]
    blue = build_classifier(replace(theirs.config, channel_order="BGR"))
    with pytest.raises(OcellusError, match="another order or scale"):
        begin_state(network, blue)


def test_other_classes_keep_the_rest(tmp_path: Path) -> None:
    """What is trained for two classes begins a network for three."""
    data = bars(tmp_path / "data", count=4)
    known = make("explain/scouter", data, {"channels": 1}).network
    path = tmp_path / "two.safetensors"
    weights.save(path, known, weights.describe("explain/scouter", known.config, labels=data.labels.names))
    np.savez(tmp_path / "data" / "none.npz", images=np.zeros((4, 24, 24), np.uint8))
    out = tmp_path / "run"
    command = ["train", "explain/scouter", str(tmp_path / "data"), "--out", str(out), "--start", str(path)]
    assert main([*command, *COMMAND, "--learning-rate", "1e-9"]) == 0
    found, header = weights.load(out / "best.safetensors")
    assert header.labels == ("lying", "none", "upright")
    torch.testing.assert_close(found.reduce.weight, known.reduce.weight, rtol=0, atol=1e-6)
    assert found.slots.initial.shape == (6, TINY.hidden)


def test_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, measured, asked and explained by command, beside a method for any network."""
    bars(tmp_path / "data", count=6)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "explain/scouter", "data", "--out", "run", *COMMAND]) == 0
    assert main(["evaluate", "run", "data", "--json"]) == 0
    out = capsys.readouterr().out
    assert "top1" in out
    shown = "data/upright.npz#0"
    assert main(["run", "run", shown, "--out", "found"]) == 0
    assert "upright" in capsys.readouterr().out
    words = ["explain", "scouter,gradcam", "run", shown, "--target", "class:lying", "--measure", "--json"]
    assert main([*words, "--out", "why"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["target"] == "class lying"
    assert [one["method"] for one in found["methods"]] == ["scouter", "gradcam"]
    assert found["methods"][0]["layer"] == "slots" and 0 < found["methods"][0]["high"] < 1
    (listed,) = [json.loads(line) for line in Path("why/explained.jsonl").read_text().splitlines()]
    assert Path(listed["methods"][0]["overlay"]).is_file()
    assert main(["explain", "scouter", "run", shown, "--slot", "1", "--no-out"]) == 0
    capsys.readouterr()
    assert main(["explain", "scouter", "run", shown, "--slot", "2", "--no-out"]) == 2
    assert "there is no slot 2: each class has 2, from 0" in capsys.readouterr().err
    assert main(["explain", "scouter", "run", shown, "--target", "class:lyin", "--no-out"]) == 2
    assert "no class 'lyin'" in capsys.readouterr().err
    assert main(["explain", "scouter", "see/unet", shown, "--no-out"]) == 2
    assert "SCOUTER explains networks of explain/scouter" in capsys.readouterr().err
