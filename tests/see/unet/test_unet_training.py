"""Training and prediction: losses, weight map, overfitting, resuming, restoration, errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import to_picture
from ocellus.data.label_transforms import smooth_displacement
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap
from ocellus.nn.segmentation_losses import LOSSES
from ocellus.see.unet.config import PRESETS, TINY, Config, Train, adapt
from ocellus.see.unet.inference import predict, restore
from ocellus.see.unet.model import build
from ocellus.see.unet.recipe import Pairs, Recipe, Restoration
from ocellus.training.fit import fit
from ocellus.training.settings import Fit
from ocellus.values import Picture

FAST = Fit(steps=4, batch_size=2, precision="32", warmup_steps=0, learning_rate=5e-3, log_every=1)
NAMES = ("background", "square")


@dataclass(frozen=True)
class Stored:
    """A label map that can be sent to another process."""

    path: Path

    def __call__(self) -> NDArray[np.uint8]:
        return np.array(Image.open(self.path))


def dataset(folder: Path, *, pictures: int = 4, channels: int = 3, side: int = 64) -> Dataset:
    """A bright square on a noisy ground, its pixels of class 1."""
    dice = np.random.default_rng(0)
    records = []
    for number in range(pictures):
        pixels = dice.integers(60, 140, (side, side, 3), np.uint8)
        labels = np.zeros((side, side), np.uint8)
        top, left, length = (int(value) for value in dice.integers(16, 32, 3))
        pixels[top : top + length, left : left + length] += 90
        labels[top : top + length, left : left + length] = 1
        labels[:4] = 255
        path = folder / f"{number}.png"
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(path)
        Image.fromarray(labels).save(folder / f"map{number}.png")
        records.append(
            Record(
                image=path, name=path.name, size=(side, side), label_map=Stored(folder / f"map{number}.png")
            )
        )
    splits = {"train": tuple(records), "val": tuple(records[:2])}
    return Dataset(root=folder, format="masks", labels=LabelMap(NAMES), splits=splits)


def recipe(config: Config = TINY, sampling: Train | None = None, settings: Fit = FAST) -> Recipe:
    return Recipe(config, sampling or Train(), settings, LabelMap(NAMES))


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def train(made: Recipe, data: Dataset, folder: Path, **more: object) -> dict[str, Tensor]:
    arguments = {
        "examples": made.examples(data, "train"),
        "collate": made.collate,
        "validate": made.validator(data, "val"),
        "monitor": made.monitor,
        "folder": folder,
        "settings": made.fit,
        "save": save,
        **more,
    }
    fit(made, **arguments)
    return load_file(folder / "best.safetensors")


@pytest.mark.parametrize("variant", ["standard", "dual_frame", "tight_frame"])
@pytest.mark.parametrize("valid", [False, True])
def test_overfits_one_batch(tmp_path: Path, variant: str, valid: bool) -> None:
    config = replace(TINY, variant=variant, valid=valid, width=6)
    made = recipe(config, Train(flip=0))
    data = dataset(tmp_path)
    examples = made.examples(data, "train")
    batch = made.collate([examples[0, index] for index in range(4)])
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    first = last = float("nan")
    for step in range(60):
        terms = made.training_step(batch, step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        last = float(terms["loss"].detach())
        first = last if step == 0 else first
    assert last < 0.1 < first
    assert (made.validator(data, "val") or pytest.fail())(made.network)["mIoU"] > 0.9


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_losses_by_name(tmp_path: Path, loss: str) -> None:
    """Each is there, and what it teaches brings it down."""
    made = recipe(replace(TINY, dropout=0.0), Train(loss=loss, flip=0.0))
    examples = made.examples(dataset(tmp_path), "train")
    batch = made.collate([examples[0, index] for index in range(4)])
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    seen = []
    for step in range(15):
        terms = made.training_step(batch, step)
        assert set(terms) == {"loss", loss.replace("+", "_")} and terms["loss"].isfinite()
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        seen.append(float(terms["loss"].detach()))
    assert seen[-1] < 0.9 * seen[0]


def test_weight_map_reaches_the_loss(tmp_path: Path) -> None:
    """The loss is that of the pixels times their weights, over the sum of the weights, computed here."""
    data, config = dataset(tmp_path), replace(TINY, dropout=0.0)
    plain, weighted = (recipe(config, Train(flip=0, border_weight=weight)) for weight in (0.0, 10.0))
    batches = [made.collate([made.examples(data, "train")[0, 0]]) for made in (plain, weighted)]
    assert batches[0].weights is None and batches[1].weights is not None
    maps, weights = batches[1].maps, batches[1].weights
    known = maps != 255
    for value in (0, 1):  # balanced: both classes weigh half of all
        share = weights[maps == value].sum() / weights[known].sum()
        assert abs(float(share) - 0.5) < 1e-5
    steps = zip((plain, weighted), batches, strict=True)
    first, second = (made.training_step(batch, 0)["loss"].detach() for made, batch in steps)
    with torch.no_grad():
        logits = plain.network(batches[0].images).logits
    each = F.cross_entropy(logits, maps, ignore_index=255, reduction="none")
    torch.testing.assert_close(first, each[known].mean())
    torch.testing.assert_close(second, (weights * each).sum() / weights.sum())
    assert abs(float(first - second)) > 1e-3


def test_paper_preset_sees_what_the_paper_saw(tmp_path: Path) -> None:
    """572 x 572 pixels, all of them of pictures; displacements are drawn on a grid of 3 x 3 (section 3.1)."""
    config, sampling, settings = PRESETS["paper"]
    made = recipe(replace(config, width=2), sampling, settings)
    batch = made.collate([made.examples(dataset(tmp_path, pictures=1, side=512), "train")[0, 0]])
    assert tuple(batch.images.shape[2:]) == tuple(batch.sizes[0].tolist())  # nothing was filled up
    sizes: list[tuple[int, ...]] = []
    first = made.network.encoders[0]
    first.register_forward_hook(lambda module, parts, out: sizes.append(tuple(parts[0].features.shape[2:])))
    made.training_step(batch, 0)
    assert sizes == [(572, 572)]
    thrown: list[tuple[int, ...]] = []

    class Dice:
        def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
            thrown.append(shape)
            return np.zeros(shape)

    size = (sampling.crop, sampling.crop)
    smooth_displacement(size, spacing=sampling.elastic_grid, deviation=1.0, dice=Dice())  # type: ignore[arg-type]
    assert thrown == [(1, 2, 3, 3)]


def test_nothing_annotated_still_touches_every_parameter(tmp_path: Path) -> None:
    made = recipe()
    examples = made.examples(dataset(tmp_path), "train")
    batch = made.collate([examples[0, 0]])
    terms = made.training_step(batch._replace(maps=torch.full_like(batch.maps, 255)), 0)
    terms["loss"].backward()
    assert terms["loss"] == 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_resumed_is_bit_equal(tmp_path: Path) -> None:
    data = dataset(tmp_path, pictures=5)
    sampling = Train(turn=0.5, elastic=2.0, crop=48, color=0.2, border_weight=10.0)
    config = replace(TINY, dropout=0.2)

    def made() -> Recipe:
        return recipe(config, sampling, replace(FAST, steps=5, ema=0.9))

    train(made(), data, tmp_path / "whole")

    class Enough(Exception):
        pass

    calls: list[int] = []

    def stop(network: nn.Module) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise Enough
        return {"mIoU": 0.0}

    with pytest.raises(Enough):
        train(made(), data, tmp_path / "parts", validate=stop, keep_seconds=0.0)
    train(made(), data, tmp_path / "parts", resume=True)
    last = [torch.load(tmp_path / name / "last.ckpt") for name in ("whole", "parts")]
    assert last[0]["step"] == last[1]["step"] == 5
    for name, value in last[0]["recipe"].items():
        assert torch.equal(value, last[1]["recipe"][name]), name


@pytest.mark.parametrize("channels", [1, 3])
def test_predicts_any_size_and_channels(tmp_path: Path, channels: int) -> None:
    network = build(replace(TINY, channels=channels)).train()
    picture = to_picture(np.random.default_rng(0).integers(0, 255, (45, 71, 3), np.uint8))
    found = predict(network, picture, names=NAMES, probabilities=True)
    assert found.size == (45, 71) and found.names == NAMES and network.training
    assert found.probabilities is not None
    chosen = found.probabilities.gather(0, found.labels[None].long())[0]
    assert torch.equal(chosen, found.probabilities.amax(dim=0)) and torch.equal(chosen, found.confidence)
    made = recipe(replace(TINY, channels=channels))
    batch = made.collate([made.examples(dataset(tmp_path, channels=channels), "train")[0, 0]])
    assert batch.images.shape[1] == channels


def test_predicts_many_channels() -> None:
    network = build(replace(TINY, channels=5))
    pixels = torch.zeros(3, 20, 30, dtype=torch.uint8)
    picture = Picture(pixels=pixels, channels=torch.rand(5, 20, 30))
    assert predict(network, picture).size == (20, 30)
    with pytest.raises(OcellusError, match="channels"):
        predict(network, Picture(pixels=pixels, channels=torch.rand(4, 20, 30)))


def test_valid_network_predicts_at_the_pictures_size() -> None:
    network = build(replace(TINY, valid=True, norm="none", tile=32, overlap=8))
    picture = to_picture(np.random.default_rng(0).integers(0, 255, (70, 33, 3), np.uint8))
    tiled = predict(network, picture, probabilities=True)
    network.config = replace(network.config, tile=0)
    whole = predict(network, picture, probabilities=True)
    assert tiled.size == (70, 33)
    torch.testing.assert_close(tiled.probabilities, whole.probabilities, rtol=0, atol=2e-3)  # float16


class Noisy:
    """Smooth pictures with noise to be taken away."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        dice = torch.Generator().manual_seed(1000 * key[0] + key[1])
        good = torch.rand(1, 2, 2, generator=dice)[None]
        good = nn.functional.interpolate(good, size=(32, 32), mode="bilinear", align_corners=True)[0]
        return good + 0.2 * torch.randn(1, 32, 32, generator=dice), good


def collate_pairs(items: list[tuple[Tensor, Tensor]]) -> Pairs:
    images, targets = (torch.stack(values) for values in zip(*items, strict=True))
    return Pairs(images, targets, tuple("" for _ in items))


@pytest.mark.parametrize("variant", ["standard", "dual_frame", "tight_frame"])
def test_learns_to_restore(tmp_path: Path, variant: str) -> None:
    config = replace(TINY, channels=1, classes=1, residual=True, variant=variant, norm="batch", width=8)
    settings = replace(FAST, steps=60, batch_size=8, validate_every=60)
    images, targets, _ = collate_pairs([Noisy()[99, index] for index in range(4)])

    def validate(network: nn.Module) -> dict[str, float]:
        restored: Callable[..., Tensor] = restore
        error = (restored(network, images) - targets).square().mean()
        return {"PSNR": float(-10 * error.log10())}

    made = Restoration(config, settings)
    assert set(made.training_step(Pairs(images, targets, ()), 0)) == {"loss", "mse"}
    before = validate(made.network)["PSNR"]
    result = fit(
        made, examples=Noisy(), collate=collate_pairs, validate=validate, monitor=made.monitor,
        folder=tmp_path, settings=settings, save=save,
    )  # fmt: skip
    assert result.metrics["PSNR"] > before + 5
    assert restore(made.network, torch.rand(1, 1, 19, 30)).shape == (1, 1, 19, 30)


def test_restoring_and_classifying_are_not_mixed_up(tmp_path: Path) -> None:
    restorer = build(replace(TINY, residual=True, channels=3, classes=3))
    with pytest.raises(OcellusError, match="restore"):
        predict(restorer, to_picture(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(OcellusError, match="predict"):
        restore(build(TINY), torch.rand(1, 3, 8, 8))
    with pytest.raises(OcellusError, match=r"\(B, 3, H, W\)"):
        restore(restorer, torch.rand(1, 1, 8, 8))
    data = dataset(tmp_path)
    with pytest.raises(OcellusError, match="Restoration"):
        adapt(replace(TINY, residual=True), data, pretrained=False)
    assert adapt(replace(TINY, classes=9), data, pretrained=False).classes == 2
    with pytest.raises(OcellusError, match="takes two"):
        adapt(TINY, replace(data, labels=LabelMap(("cell",))), pretrained=False)


def test_small_preset_fits_into_8_megabytes() -> None:
    config, _, _ = PRESETS["small"]
    for variant in ("standard", "dual_frame", "tight_frame"):
        network = build(replace(config, variant=variant))
        assert sum(value.numel() for value in network.state_dict().values()) * 2 < 8e6
