"""Training FCN: what learns and what stays fixed, that it learns, stages, settings that make no sense."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ocellus.data.dataset import Dataset, Record
from ocellus.data.label_examples import LabelBatch
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.see.fcn.config import PAPER, SMALL, TINY, Config, Train, adapt
from ocellus.see.fcn.convert import begin_state
from ocellus.see.fcn.model import build
from ocellus.see.fcn.recipe import Recipe
from ocellus.training.fit import fit
from ocellus.training.optimizers import backbone_stage
from ocellus.training.settings import Fit

NAMES = ("ground", "dark", "bright")
FAST = Fit(steps=4, batch_size=2, precision="32", warmup_steps=0, learning_rate=5e-3, log_every=1)
VGG = replace(PAPER, classes=3, depth=11, width=4, head_channels=16, dropout=0.0)
SMALLEST = replace(TINY, classes=3, width=8, dropout=0.0)
RESNET = replace(SMALLEST, backbone="resnet", depth=18, norm="group")
KINDS = {
    "vgg": VGG,
    "small": SMALLEST,
    "resnet": RESNET,
    "dilated": replace(RESNET, dilated=True, auxiliary=True, head_channels=32),
}


@dataclass(frozen=True)
class FromFile:
    """Reads a label map."""

    path: Path

    def __call__(self) -> NDArray[uint8]:
        return np.load(self.path)


def dataset(folder: Path, *, pictures: int = 4, ignored: bool = False) -> Dataset:
    """Dark and bright squares on grey ground; a strip at the left says nothing."""
    dice = np.random.default_rng(0)
    records = []
    for number in range(pictures):
        pixels = np.full((64, 96, 3), 128, np.uint8)
        labels = np.zeros((64, 96), np.uint8)
        for label in (1, 2):
            side = int(dice.integers(20, 30))
            x, y = 48 * (label - 1) + int(dice.integers(0, 18)), int(dice.integers(0, 34))
            pixels[y : y + side, x : x + side] = 250 if label == 2 else 10
            labels[y : y + side, x : x + side] = label
        labels[:, :4] = 255
        if ignored:
            labels[:] = 255
        name = f"{number}.png"
        Image.fromarray(pixels).save(folder / name)
        np.save(folder / f"{number}.npy", labels)
        label_map = FromFile(folder / f"{number}.npy")
        records.append(
            Record(image=folder / name, name=name, size=(64, 96), source="test", label_map=label_map)
        )
    splits = {"train": tuple(records), "val": tuple(records[:2])}
    return Dataset(root=folder, format="masks", labels=LabelMap(NAMES), splits=splits)


def recipe(config: Config = SMALLEST, settings: Fit = FAST, **train: object) -> Recipe:
    return Recipe(config, Train(**train), settings, LabelMap(NAMES))  # type: ignore[arg-type]


def batch_of(made: Recipe, data: Dataset) -> LabelBatch:
    examples = made.examples(data, "train")
    return made.collate([examples[0, index] for index in (0, 1)])


def steps(made: Recipe, batch: LabelBatch, count: int, *, rate: float) -> list[float]:
    """Optimizer steps on one batch; the losses."""
    made.fit = replace(made.fit, learning_rate=rate)
    optimizer = made.configure_optimizers()
    found = []
    for index in range(count):
        optimizer.zero_grad()
        loss = made.training_step(batch, index)["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(made.network.parameters(), 5.0)
        optimizer.step()
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_overfits_one_batch(tmp_path: Path, kind: str) -> None:
    made = recipe(replace(KINDS[kind], at_once=False))
    batch = batch_of(made, dataset(tmp_path))
    assert tuple(batch.images.shape) == (2, 3, 64, 96) and int((batch.maps == 255).sum()) > 0
    losses = steps(made, batch, 120 if kind == "dilated" else 60, rate=1e-2)
    if kind == "vgg":  # its scores begin as zero
        assert losses[0] == pytest.approx(np.log(3), rel=1e-3)
    assert losses[-1] < 0.25 * losses[0]
    with torch.no_grad():
        found = made.network.eval()(batch.images).logits.argmax(dim=1)
    known = batch.maps != 255
    # A map at stride 8 of squares that are not on its grid.
    assert (found == batch.maps)[known].float().mean() > 0.9


def test_last_upsampling_stays_and_inner_ones_learn(tmp_path: Path) -> None:
    made = recipe(replace(VGG, at_once=False))
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    steps(made, batch_of(made, dataset(tmp_path)), 4, rate=1e-2)
    after = made.network.state_dict()
    assert torch.equal(before["upsample_full.weight"], after["upsample_full.weight"])
    for name in ("upsample_score.weight", "upsample_pool4.weight", "score_pool3.weight", "head.fc6.weight"):
        assert not torch.equal(before[name], after[name]), name
    assert before["upsample_full.weight"].shape == (1, 1, 16, 16)


@pytest.mark.parametrize("ignored", [False, True], ids=["labels", "nothing but 255"])
@pytest.mark.parametrize("kind", KINDS)
def test_terms_and_gradients(tmp_path: Path, kind: str, ignored: bool) -> None:
    """Every parameter has a gradient, whatever there is to learn from: processes wait for each other's."""
    made = recipe(KINDS[kind])
    found = made.training_step(batch_of(made, dataset(tmp_path, ignored=ignored)), 0)
    assert set(found) == {"loss", "segmentation"} | ({"auxiliary"} if kind == "dilated" else set())
    torch.testing.assert_close(found["loss"], sum(value for name, value in found.items() if name != "loss"))
    assert (found["loss"] == 0) == ignored
    found["loss"].backward()
    missing = [name for name, value in made.network.named_parameters() if value.grad is None]
    assert not missing
    assert all(value.grad.isfinite().all() for value in made.network.parameters())


@pytest.mark.parametrize("loss", ["balanced", "focal", "dice", "boundary", "ohem", "cross_entropy+dice"])
def test_losses(tmp_path: Path, loss: str) -> None:
    made = recipe(loss=loss)
    losses = steps(made, batch_of(made, dataset(tmp_path)), 12, rate=1e-2)
    assert (made.class_weights is not None) == (loss == "balanced")
    assert losses[-1] < losses[0]


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    torch.save(network.state_dict(), path)


def test_learns_and_is_measured(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    settings = replace(FAST, steps=80, batch_size=4, validate_every=80, log_every=20, learning_rate=1e-2)
    made = recipe(settings=settings, color=0.2, scale_low=0.8, scale_high=1.2)
    validate = made.validator(data, "val")
    assert validate is not None
    before = validate(made.network)
    out = tmp_path / "run"
    fit(
        made,
        examples=made.examples(data, "train"),
        collate=made.collate,
        validate=validate,
        monitor=made.monitor,
        folder=out,
        settings=settings,
        save=save,
    )
    after = validate(made.network)
    assert before["mIoU"] < 0.4 and after["mIoU"] > 0.7
    assert {"mIoU", "pixel_accuracy", "IoU/ground", "IoU/dark"} <= set(after)
    assert made.validator(replace(data, splits={"train": data.splits["train"]}), "val") is None


def test_bf16_loss_is_close(tmp_path: Path) -> None:
    made = recipe()
    nn.init.normal_(made.network.score.weight)
    batch = batch_of(made, dataset(tmp_path))
    exact = made.training_step(batch, 0)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.training_step(batch, 0)["loss"]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0.01)


def test_stages_begin_with_the_coarser_weights() -> None:
    torch.manual_seed(0)
    coarse = build(replace(VGG, stride=32)).eval()
    nn.init.normal_(coarse.score.weight)
    fine = build(replace(VGG, stride=8, at_once=False)).eval()
    state = begin_state(fine, coarse)
    assert set(state) == set(fine.state_dict())
    fine.load_state_dict(state)
    assert torch.equal(fine.score.weight, coarse.score.weight)
    images = torch.rand(1, 3, 256, 288)
    with torch.no_grad():
        a, b = fine(images).logits[..., 64:192, 64:224], coarse(images).logits[..., 64:192, 64:224]
    assert (a - b).abs().mean() < 0.05 * b.std()
    back = begin_state(coarse, fine)  # and a coarse one with a fine one's
    coarse.load_state_dict(back)


def test_stages_of_the_small_network_too() -> None:
    torch.manual_seed(0)
    coarse, fine = build(replace(SMALLEST, stride=32)).eval(), build(SMALLEST).eval()
    assert fine.score_pool4 is not None and fine.score_pool4.weight.abs().max() > 0
    fine.load_state_dict(begin_state(fine, coarse))
    assert fine.score_pool4.weight.abs().max() == 0
    images = torch.rand(1, 3, 256, 288)
    with torch.no_grad():
        a, b = fine(images).logits, coarse(images).logits
    assert (a - b).abs().mean() < 0.1 * b.std()


def test_weights_that_are_no_beginning() -> None:
    other = build(replace(VGG, stride=32, channel_order="RGB", mean=(0.5,), std=(1.0,)))
    with pytest.raises(OcellusError, match="with channel_order RGB: give --channel-order RGB too"):
        begin_state(build(VGG), other)
    with pytest.raises(OcellusError, match="with depth 13, not 11: give --depth 13, or other weights"):
        begin_state(build(VGG), build(replace(VGG, depth=13)))
    with pytest.raises(OcellusError, match="with backbone small, not vgg"):
        begin_state(build(VGG), build(SMALLEST))
    same = build(replace(SMALLEST, backbone="resnet", depth=50, width=2, head_channels=7))
    begin_state(build(replace(same.config, depth=0, head_channels=8)), same)  # 0 is 50, and there is no head


def test_a_pool_scaled_at_once_is_no_beginning_for_one_that_is_not() -> None:
    """Its scores would be a hundred times too large or small, and nothing would say so."""
    once, plain = (build(replace(VGG, stride=16, at_once=at_once)) for at_once in (True, False))
    fine = build(replace(VGG, stride=8, at_once=False))
    with pytest.raises(OcellusError, match=r"trained with --at-once, .* give --at-once too") as caught:
        begin_state(fine, once)
    assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match=r"trained with --no-at-once, .* give --no-at-once too"):
        begin_state(once, plain)
    begin_state(fine, plain)
    coarsest = build(replace(VGG, stride=32, at_once=True))  # has no score of a pool
    begin_state(fine, coarsest)
    begin_state(coarsest, plain)


def test_settings_follow_the_data(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert adapt(SMALL, data, pretrained=False).classes == 3
    one = replace(data, labels=LabelMap(("all",)))
    with pytest.raises(OcellusError, match=r"has 1 class \(all\); telling pixels apart takes two"):
        adapt(SMALL, one, pretrained=False)
    records = tuple(replace(record, label_map=None) for record in data.splits["train"])
    with pytest.raises(OcellusError, match="has no label maps"):
        adapt(SMALL, replace(data, splits={"train": records}), pretrained=False)
    with pytest.raises(OcellusError, match="frozen norms are for pretrained weights") as caught:
        adapt(replace(SMALL, norm="frozen"), data, pretrained=False)
    assert caught.value.exit_code == 2
    assert adapt(replace(SMALL, norm="frozen"), data, pretrained=True).norm == "frozen"
    with pytest.raises(OcellusError, match="channels"):
        adapt(replace(SMALL, channels=5), data, pretrained=False)


def test_same_seed_same_weights() -> None:
    first, second, other = recipe(), recipe(), recipe(settings=replace(FAST, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.network.backbone.stem.weight, other.network.backbone.stem.weight)


def test_backbone_learns_more_slowly() -> None:
    settings = replace(FAST, backbone_rate=0.1, layer_decay=0.5)
    optimizer = recipe(VGG, settings).configure_optimizers()
    rates: set[float] = {round(group["lr"] / settings.learning_rate, 6) for group in optimizer.param_groups}
    assert rates == {1.0, 0.1, 0.05, 0.025, 0.0125, 0.00625}
    names = [
        "backbone.stages.0.0.weight",
        "backbone.wider.3.conv.weight",
        "backbone.stem.weight",
        "score.bias",
    ]
    assert [backbone_stage(name) for name in names] == [1, 4, 0, None]


def test_gradients_do_not_depend_on_the_layout(tmp_path: Path) -> None:
    made = recipe()
    batch = batch_of(made, dataset(tmp_path))
    found: list[Tensor] = []
    for images in (batch.images, batch.images.contiguous(memory_format=torch.channels_last)):
        made.network.zero_grad()
        made.training_step(batch._replace(images=images), 0)["loss"].backward()
        found.append(made.network.score_pool3.weight.grad.clone())  # type: ignore[union-attr]
    torch.testing.assert_close(*found)
