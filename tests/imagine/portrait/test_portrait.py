"""Portrait's network and training: shapes, losses, the laying over of subjects, one batch by heart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from taught import scene, taught

from ocellus.data.dataset import Dataset, Record
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.imagine.portrait.config import PRESETS, TINY, Config, Train, adapt
from ocellus.imagine.portrait.inference import predict, soft_mask
from ocellus.imagine.portrait.loss import copy_paste, losses
from ocellus.imagine.portrait.model import Raw, build
from ocellus.imagine.portrait.recipe import Recipe
from ocellus.labels import LabelMap
from ocellus.nn.fuse import fuse
from ocellus.training.settings import Fit
from ocellus.values import Picture

NAMES = ("background", "person")
FAST = Fit(steps=4, batch_size=4, precision="32", warmup_steps=0, learning_rate=1e-2, log_every=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of one person each, with masks of 0 and 1 and a list of classes."""
    root = tmp_path_factory.mktemp("people")
    for part in ("images", "masks"):
        (root / part).mkdir()
    for number in range(6):
        pixels, labels = scene(x=24 + 10 * number, radius=12 + number)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(root / "images" / f"{number}.png")
        Image.fromarray(labels.numpy()).save(root / "masks" / f"{number}.png")
    (root / "classes.txt").write_text("background\nperson\n")
    (root / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "val.txt").write_text("4\n5\n")
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return read(folder, view="classes")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 1}, {"channels": 0}, {"widths": (8, 8)}, {"blocks": (1, 0, 1, 1)}, {"decoder": ()},
        {"norm": "layer"}, {"short_side": -1}, {"tile": -1}, {"channel_order": "RBG"}, {"mean": (0.5, 0.5)},
        {"std": (1.0, 0.0, 1.0)},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_settings(change: dict[str, Any]) -> None:
    with pytest.raises(OcellusError) as caught:
        build(replace(TINY, **change))
    assert caught.value.exit_code == 2
    assert any(field in str(caught.value) for field in change)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 1), (32, 200)])
def test_logits_have_the_size_of_any_input(size: tuple[int, int]) -> None:
    network = build(replace(TINY, classes=3)).eval()
    with torch.no_grad():
        raw = network(torch.rand(2, 3, *size))
    assert isinstance(raw, Raw) and raw.logits.shape == (2, 3, *size) and raw.auxiliary is None


def test_small_preset_is_small() -> None:
    config, train, _ = PRESETS["small"]
    network = build(config)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert 300_000 <= count <= 1_500_000
    with torch.no_grad():
        raw = network.train()(torch.rand(2, 3, train.crop, train.crop))
    assert raw.auxiliary is not None and raw.auxiliary.shape == (2, 2, train.crop // 8, train.crop // 8)


def test_fused_network_answers_the_same() -> None:
    torch.manual_seed(0)
    network = build(replace(TINY, norm="batch"))
    with torch.no_grad():
        network.train()(torch.rand(4, 3, 64, 64))  # statistics
        network.eval()
        images = torch.rand(1, 3, 64, 96)
        torch.testing.assert_close(fuse(network)(images).logits, network(images).logits, atol=1e-4, rtol=1e-4)


def test_channel_order_and_one_mean_for_all() -> None:
    network = build(TINY)
    other = build(replace(TINY, channel_order="BGR", mean=TINY.mean[::-1], std=TINY.std[::-1]))
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(other.normalize(images), network.normalize(images).flip(1))
    single = build(replace(TINY, mean=(0.5,), std=(0.25,)))
    torch.testing.assert_close(single.normalize(images), (images - 0.5) / 0.25)


def test_terms_and_gradients() -> None:
    torch.manual_seed(0)
    network = build(TINY).train()
    images, maps = torch.rand(2, 3, 64, 64), torch.randint(0, 2, (2, 64, 64))
    maps[:, :5] = 255
    terms = losses(network(images), maps, Train())
    assert set(terms) == {"region", "boundary", "auxiliary"}
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert set(losses(network(images), maps, Train(boundary=0.0))) == {"region", "auxiliary"}
    nothing = losses(network(images), torch.full_like(maps, 255), Train())
    assert all(float(value.detach()) == 0 for value in nothing.values())


def test_subjects_are_laid_over_other_pictures() -> None:
    one, two = scene(x=30, radius=14), scene(x=70, radius=10)
    images = torch.stack([one[0], two[0] // 2]).float() / 255
    maps = torch.stack([one[1], two[1]]).long()
    maps[1, :4] = 255
    laid, labels = copy_paste(images, maps, chance=1.0)
    assert torch.equal(labels[0], maps[0].where(two[1] == 0, 1))
    assert torch.equal(labels[1, :4], torch.where(one[1][:4] == 1, 1, 255))
    inside = torch.nn.functional.avg_pool2d(two[1][None].float(), 3, 1, 1)[0] == 1
    torch.testing.assert_close(laid[0][:, inside], images[1][:, inside])
    far = torch.nn.functional.max_pool2d(two[1][None].float(), 3, 1, 1)[0] == 0
    torch.testing.assert_close(laid[0][:, far], images[0][:, far])
    for same in (copy_paste(images, maps, chance=0.0), copy_paste(images[:1], maps[:1], chance=1.0)):
        assert torch.equal(same[0], images[: len(same[0])])


def test_one_batch_by_heart() -> None:
    scenes = [scene(x=x) for x in (30, 66)]
    network = taught(scenes, classes=2)
    for pixels, labels in scenes:
        picture = Picture(pixels=pixels)
        found = predict(network, picture, names=NAMES, probabilities=True)
        truth = labels.bool()
        mask = found.mask("person")
        assert float((mask & truth).sum() / (mask | truth).sum()) > 0.95
        assert found.probabilities.shape == (2, 64, 96) and found.names == NAMES
        quick = soft_mask(network, picture)
        assert quick.shape == (64, 96)
        torch.testing.assert_close(quick, found.alpha("person"), atol=2e-3, rtol=0)


def test_recipe_learns_and_measures(data: Dataset) -> None:
    plain = Train(crop=64, rotate=0.0, scale_low=1.0, scale_high=1.0, color=0.0, paste=0.5)
    made = Recipe(replace(TINY, classes=2), plain, FAST, data.labels)
    examples = made.examples(data, "train")
    validate = made.validator(data, "val")
    assert validate is not None and made.validator(data, "absent") is None
    before = validate(made.network.eval())[f"IoU/{NAMES[1]}"]
    optimizer = made.configure_optimizers()
    made.network.train()
    torch.manual_seed(0)
    for step in range(60):
        batch = made.collate([examples[step, index] for index in range(4)])
        terms = made.training_step(batch, step)
        assert set(terms) == {"loss", "region", "boundary", "auxiliary"}
        torch.testing.assert_close(terms["loss"], sum(v for k, v in terms.items() if k != "loss"))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
    after = validate(made.network.eval())
    assert made.monitor in after and after["IoU/person"] > max(0.85, before)


def test_bf16_losses_are_close(data: Dataset) -> None:
    made = Recipe(TINY, Train(crop=64, paste=0.0), FAST, data.labels)
    examples = made.examples(data, "train")
    batch = made.collate([examples[0, index] for index in range(4)])
    exact = made.training_step(batch, 0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.training_step(batch, 0)
    for name, value in exact.items():
        assert rough[name].dtype == torch.float32
        torch.testing.assert_close(rough[name], value, rtol=0.05, atol=0.02)


def test_adapt_takes_the_classes(data: Dataset) -> None:
    assert adapt(Config(classes=7), data, pretrained=False).classes == 2
    with pytest.raises(OcellusError, match=r"has 1 class \(person\); telling pixels apart takes two"):
        adapt(Config(), replace(data, labels=LabelMap(("person",))), pretrained=False)
    record = Record(image=Path("a.png"), name="a.png")
    with pytest.raises(OcellusError, match="no label maps"):
        adapt(Config(), replace(data, splits={"train": (record,)}), pretrained=False)
    with pytest.raises(OcellusError, match="--start"):
        adapt(Config(norm="frozen"), data, pretrained=False)


def test_real_portraits_are_read(shared: Path) -> None:
    people = read(shared / "data" / "portrait", view="classes")
    assert len(people.splits["train"]) == 160 and len(people.splits["val"]) == 40
    made = Recipe(TINY, PRESETS["small"][1], FAST, people.labels)
    item = made.examples(people, "train")[0, 0]
    values = set(np.unique(item.labels.numpy()).tolist())
    assert item.image.shape == (3, 256, 256) and values <= {0, 1, 255}
