"""Training a classifier: its loss by hand, that it learns, that no parameter is left out, presets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.see.classifier.config import PRESETS, TINY, Config, Train, adapt
from ocellus.see.classifier.loss import losses
from ocellus.see.classifier.model import ARCHITECTURES, Raw, build
from ocellus.see.classifier.recipe import Recipe
from ocellus.training.fit import fit
from ocellus.training.optimizers import backbone_stage
from ocellus.training.settings import Fit

FAST = Fit(steps=4, batch_size=4, precision="32", warmup_steps=0, learning_rate=5e-3, log_every=1)
PLAIN = Train(flip=0.0, area_low=1.0, aspect=1.0)
GREY = replace(TINY, channels=1, mean=(0.2,), std=(0.3,))


def bars(folder: Path, *, count: int = 20) -> Dataset:
    """Upright and lying bars, 24 x 24, each class in a file."""
    dice = np.random.default_rng(0)
    for name in ("lying", "upright"):
        pictures = dice.integers(0, 40, (count, 24, 24), np.uint8)
        for one in pictures:
            row, column = dice.integers(2, 17, 2)
            one[row : row + 4, 3:21] = 230 if name == "lying" else one[row : row + 4, 3:21]
            if name == "upright":
                one[3:21, column : column + 4] = 230
        np.savez(folder / f"{name}.npz", images=pictures)
    return read(folder, view="labels")


def recipe(config: Config = GREY, settings: Fit = FAST, *, sampling: Train = PLAIN) -> Recipe:
    return Recipe(config, sampling, settings, LabelMap(("lying", "upright")))


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def test_loss_by_hand() -> None:
    torch.manual_seed(0)
    logits, labels, others = torch.randn(4, 3), torch.tensor([0, 1, 2, 1]), torch.tensor([0, 0, 1, 2])
    shares = torch.tensor([1.0, 0.7, 0.5, 0.0])
    log = logits.log_softmax(dim=1)
    plain = losses(Raw(logits), labels, train=Train())["cross_entropy"]
    assert plain.item() == pytest.approx(-log[range(4), labels].mean().item())
    smooth = losses(Raw(logits), labels, train=Train(label_smoothing=0.1))["cross_entropy"]
    wanted = -(0.9 * log[range(4), labels] + 0.1 * log.mean(dim=1)).mean()
    assert smooth.item() == pytest.approx(wanted.item())
    mixed = losses(Raw(logits), labels, train=Train(), others=others, shares=shares)["cross_entropy"]
    each = -(shares * log[range(4), labels] + (1 - shares) * log[range(4), others])
    assert mixed.item() == pytest.approx(each.mean().item())
    weights = torch.tensor([1.0, 2.0, 5.0])
    weighed = losses(Raw(logits), labels, train=Train(), class_weights=weights)["cross_entropy"]
    assert weighed.item() == pytest.approx(F.cross_entropy(logits, labels, weight=weights).item())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_parameter_learns(kind: str, tmp_path: Path) -> None:
    """Processes wait for each other's gradients."""
    grey = Config(classes=2, channels=1, short_side=32, crop=32, mean=(0.2,), std=(0.3,), architecture=kind)
    config = grey if kind.startswith("squeezenet") else replace(grey, width=4)
    if kind == "vgg":
        config = replace(config, head_channels=8)
    if kind == "small":
        config = replace(config, norm="group")
    torch.manual_seed(0)
    data = bars(tmp_path, count=4)
    made = recipe(config)
    examples = made.examples(data, "train")
    found = made.training_step(made.collate([examples[0, index] for index in range(4)]), 0)
    assert set(found) == {"loss", "cross_entropy"} and found["loss"] == found["cross_entropy"]
    found["loss"].backward()
    assert not [name for name, value in made.network.named_parameters() if value.grad is None]
    stages = {backbone_stage(name) for name, _ in made.network.named_parameters()}
    assert None in stages and 1 in stages


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_learns(tmp_path: Path, mixup: float) -> None:
    data = bars(tmp_path)
    settings = replace(FAST, steps=80, batch_size=8, validate_every=80, learning_rate=3e-3)
    made = recipe(settings=settings, sampling=replace(PLAIN, mixup=mixup, label_smoothing=0.05))
    validate = made.validator(data, "val")
    assert validate is not None and made.validator(data, "test") is None
    before = validate(made.network.eval())["log_loss"]
    result = fit(
        made,
        examples=made.examples(data, "train"),
        collate=made.collate,
        validate=validate,
        monitor=made.monitor,
        folder=tmp_path / "run",
        settings=settings,
        save=save,
    )
    assert result.metrics["top1"] == 1.0 and result.metrics["log_loss"] < before / 2
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "cross_entropy"} <= set(lines[0])


def test_validation_is_that_of_each_picture_alone(tmp_path: Path) -> None:
    """Batches of one size; pictures of several sizes, where none is wanted, one after the other."""
    data = bars(tmp_path, count=40)
    torch.manual_seed(0)
    made = recipe()
    made.network.eval()
    validate = made.validator(data, "train")
    whole = replace(GREY, short_side=0, crop=0)
    again = Recipe(whole, PLAIN, FAST, made.labels)
    again.network.load_state_dict(made.network.state_dict())
    with torch.no_grad():
        assert validate is not None
        figures = validate(made.network)
        hits = []
        examples = made.examples(data, "train")
        examples.train = None
        for index in range(len(examples)):
            batch = made.collate([examples[0, index]])
            hits.append(made.network(batch.images).logits.argmax(dim=1) == batch.labels)
    assert figures["top1"] == pytest.approx(float(torch.cat(hits).float().mean()))


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    data = bars(tmp_path)
    many = tuple(record for record in data.splits["train"] if record.label == 0)
    few = tuple(record for record in data.splits["train"] if record.label == 1)[:4]
    uneven = replace(data, splits={"train": many + few})
    made = recipe(sampling=replace(PLAIN, balance=True))
    made.examples(uneven, "train")
    assert made.class_weights is not None
    assert (made.class_weights[1] / made.class_weights[0]).item() == pytest.approx(len(many) / 4)


def test_adapt(tmp_path: Path) -> None:
    data = bars(tmp_path, count=4)
    assert adapt(Config(), data, pretrained=False).classes == 2
    grey = adapt(Config(channels=1), data, pretrained=False)
    assert grey.mean == (pytest.approx(0.449),) and len(grey.std) == 1
    build(replace(grey, depth=18))
    assert adapt(Config(norm="frozen"), data, pretrained=True).norm == "frozen"
    assert adapt(Config(architecture="vgg", norm="frozen"), data, pretrained=False).norm == "frozen"
    with pytest.raises(OcellusError, match="frozen norms"):
        adapt(Config(norm="frozen"), data, pretrained=False)
    with pytest.raises(OcellusError, match="takes two or more"):
        adapt(Config(), replace(data, labels=LabelMap(("lying",))), pretrained=False)
    bare = {"train": tuple(replace(record, label=None) for record in data.splits["train"])}
    with pytest.raises(OcellusError, match="read it with view='labels'"):
        adapt(Config(), replace(data, splits=bare), pretrained=False)
    with pytest.raises(OcellusError, match="channels"):
        adapt(Config(channels=5), data, pretrained=False)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(OcellusError, match=r"--label-smoothing is 1\.0"):
        recipe(sampling=Train(label_smoothing=1.0))


def test_the_small_presets_are_small() -> None:
    """8 MB in half precision, for a hundred classes."""
    for name in ("small", "thumbnails", "tiny"):
        config, _, _ = PRESETS[name]
        with torch.device("meta"):
            network = build(replace(config, classes=100))
        assert 2 * sum(parameter.numel() for parameter in network.parameters()) < 8e6, name
