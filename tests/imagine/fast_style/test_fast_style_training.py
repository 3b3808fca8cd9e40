"""Training a style: it is learnt, resumed is uninterrupted, two processes are one, bad input is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import assert_resumes, assert_two_processes
from skimage import data

from ocellus import catalog, weights
from ocellus.data.images import to_picture, write_picture
from ocellus.data.picture_batches import PictureBatch
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine.fast_style.config import PRESETS, Train, adapt
from ocellus.imagine.fast_style.recipe import Recipe
from ocellus.labels import LabelMap
from ocellus.training.settings import Fit

SYSTEM = "imagine/fast_style"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A few photographs, a style, and a classifier of random weights."""
    folder = tmp_path_factory.mktemp("world")
    pictures = folder / "pictures"
    for index in range(10):
        image = data.astronaut()[40 * index : 40 * index + 48, 100 : 100 + 56 + index]
        write_picture(to_picture(image), pictures / f"{index}.png")
    write_picture(to_picture(data.chelsea()[100:180, 150:250]), folder / "style.png")
    system = catalog.system("see/classifier")
    torch.manual_seed(0)
    config = system.Config(classes=3, architecture="vgg", width=4, head_channels=4, short_side=32, crop=32)
    eye = folder / "vgg.safetensors"
    weights.save(eye, system.build(config), weights.describe("see/classifier", config, labels=tuple("abc")))
    dataset = read(pictures, view="pictures")
    settings = {"style": str(folder / "style.png"), "loss_network": str(eye)}
    return {"dataset": dataset, "settings": settings, "folder": folder}


def recipe(world: dict[str, Any], **changes: Any) -> Recipe:
    config, train, fit = PRESETS["tiny"]
    train = replace(train, **{**world["settings"], **changes})
    return Recipe(config, train, replace(fit, device="cpu", precision="32"), LabelMap(()))


def test_one_batch_is_learnt(world: dict[str, Any]) -> None:
    made = recipe(world)
    (optimizer,) = made.configure_optimizers()
    for group in optimizer.param_groups:
        group["lr"] = 0.02
    examples = made.examples(world["dataset"], "train")
    batch: PictureBatch = made.collate([examples[0, 0], examples[0, 1]])
    totals = []
    for _ in range(40):
        terms = made.training_step(batch, 0)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        totals.append({name: float(value.detach()) for name, value in terms.items()})
    assert set(totals[0]) == {"loss", "content", "style", "variation"}
    assert totals[-1]["loss"] < 0.4 * totals[0]["loss"]
    assert totals[-1]["style"] < totals[0]["style"]
    assert all(parameter.grad is None for parameter in made.goal.network.network.parameters())
    assert not any("backbone" in name for name in made.state_dict())


def test_figures_and_samples_of_a_validation(world: dict[str, Any]) -> None:
    made = recipe(world, adversarial=1.0)
    validate = made.validator(world["dataset"], "val")
    torch.manual_seed(0)
    figures = validate(made.network.eval())
    assert set(figures) == {"total", "content", "style", "variation", "stability", "pictures"}
    assert figures["pictures"] == len(world["dataset"].splits["val"])
    parts = figures["content"] + figures["style"] + figures["variation"]
    assert figures["total"] == pytest.approx(parts, rel=1e-5)
    sheet = made.samples(made.network)["painted"]
    assert sheet.shape[0] == 3 and sheet.shape[1] == 64 and 0 <= float(sheet.min()) <= float(sheet.max()) <= 1
    assert set(made.companions()) == {"discriminator"}
    assert recipe(world).companions() == {}


def test_steadiness_is_learnt_for_videos(world: dict[str, Any]) -> None:
    """With the temporal loss, what changes by noise alone changes less."""
    found = {}
    for weight in (0.0, 1000.0):
        made = recipe(world, temporal=weight, temporal_kind="noise")
        (optimizer,) = made.configure_optimizers()
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        examples = made.examples(world["dataset"], "train")
        torch.manual_seed(0)
        for index in range(30):
            batch = made.collate([examples[index, index % 8], examples[index, (index + 1) % 8]])
            terms = made.training_step(batch, 0)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
        assert ("temporal" in terms) == (weight > 0)
        torch.manual_seed(0)
        found[weight] = made.validator(world["dataset"], "val")(made.network.eval())["stability"]
    assert found[1000.0] < 0.8 * found[0.0]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_gradient_of_a_gradient_keeps_its_digits(world: dict[str, Any], penalty: float) -> None:
    """In bf16 the real patches are judged in fp32 where their gradient is squared."""
    made = recipe(world, adversarial=1.0, penalty=penalty)
    optimizers, kinds = made.configure_optimizers(), []
    made.optimizers = lambda: optimizers
    made.manual_backward = lambda loss: loss.backward()
    made.discriminator.register_forward_hook(lambda module, inputs, logits: kinds.append(logits.dtype))
    examples = made.examples(world["dataset"], "train")
    with torch.autocast("cpu", torch.bfloat16):
        made.training_step(made.collate([examples[0, 0]]), 0)
    real = torch.float32 if penalty else torch.bfloat16
    assert kinds == [real, torch.bfloat16, torch.bfloat16]


@pytest.mark.parametrize(
    "changes",
    [{}, {"temporal": 1.0, "ema": 0.9}, {"adversarial": 1.0, "penalty": 1.0}],
    ids=["style", "video", "gan"],
)
def test_resumed_is_uninterrupted(world: dict[str, Any], tmp_path: Path, changes: dict[str, Any]) -> None:
    assert_resumes(SYSTEM, world["dataset"], tmp_path, **world["settings"], **changes)


def test_two_processes_are_one(world: dict[str, Any], tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, world["dataset"], tmp_path, **world["settings"], adversarial=1.0)


def test_bad_input_is_refused(world: dict[str, Any]) -> None:
    for change, wanted in (
        ({"style": ""}, "--style"),
        ({"style": "nowhere.jpg"}, "nowhere.jpg"),
        ({"loss_network": "nowhere.safetensors"}, "is not there"),
        ({"loss_network": ""}, "--loss-network"),
        ({"crop": 16, "load": 20}, "crop is 16"),
        ({"crop": 0, "load": 0, "adversarial": 1.0}, "give --crop"),
        ({"temporal_kind": "wind"}, "noise, motion, both"),
        ({"monitor": "psnr"}, "total, style, content, stability"),
        ({"variation": -1.0}, "0 or more"),
        ({"loss_scale": "log"}, "plain or relative"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            recipe(world, **change)
    config, _, _ = PRESETS["tiny"]
    empty = replace(world["dataset"], splits={})
    with pytest.raises(OcellusError, match="no pictures"):
        adapt(config, empty, pretrained=False)


def test_presets_can_be(world: dict[str, Any]) -> None:
    """Of every preset: the paper's names layers that this loss network has, too."""
    for name, (config, train, fit) in PRESETS.items():
        made = Recipe(config, replace(train, **world["settings"]), fit, LabelMap(()))
        assert isinstance(made.fit, Fit) and isinstance(made.sampling, Train), name
        assert (made.discriminator is not None) == (name == "gan")
