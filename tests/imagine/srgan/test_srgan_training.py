"""SRResNet and SRGAN: losses by hand, examples, a picture learnt, exact resume, two processes, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import assert_resumes, assert_two_processes, make
from torch.nn import functional as F

from ocellus import weights
from ocellus.data.bicubic import resize_bicubic
from ocellus.data.dataset import Dataset, Record
from ocellus.data.read import read
from ocellus.data.shrunk_examples import ShrunkExamples, read_shrunk
from ocellus.errors import OcellusError
from ocellus.imagine.srgan.config import Train
from ocellus.imagine.srgan.loss import feature_loss, losses
from ocellus.labels import LabelMap
from ocellus.metrics.image_quality import psnr
from ocellus.see import classifier

SYSTEM = "imagine/srgan"
GAN = {"adversarial": 0.1, "ema": 0.9}


def pictures(folder: Path, *, count: int = 6, side: int = 48, suffix: str = ".png") -> Dataset:
    """Pictures of stripes and noise, as a data set."""
    dice = np.random.default_rng(0)
    for split, many in (("train", count), ("val", 2)):
        (folder / split).mkdir(parents=True)
        for number in range(many):
            rows = np.sin(np.arange(side)[:, None, None] / dice.uniform(1, 4)) * dice.uniform(20, 100, 3)
            values = 128 + rows + dice.normal(0, 8, (side, side + 9, 3))
            file = folder / split / f"{number}{suffix}"
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file)
    return read(folder, view="pictures")


@pytest.fixture(scope="module")
def eye(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small classifier as loss network."""
    path = tmp_path_factory.mktemp("eye") / "eye.safetensors"
    torch.manual_seed(0)
    network = classifier.build(classifier.TINY)
    header = weights.describe("see/classifier", classifier.TINY, labels=("a", "b"))
    weights.save(path, network, header)
    return str(path)


def test_losses_by_hand() -> None:
    made, truth = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.5, 0.0]]]])
    assert losses(made, truth, Train(pixel="l1", pixel_weight=2.0))["pixel"] == pytest.approx(1.5)
    assert losses(made, truth, Train(pixel="mse"))["pixel"] == pytest.approx(0.625)
    assert not losses(made, truth, Train(pixel="none"))
    features, wanted = {"a": torch.tensor([3.0, 0.0])}, {"a": torch.tensor([1.0, 2.0])}
    assert feature_loss(features, wanted) == pytest.approx(4.0)
    assert feature_loss(features, wanted, scale="relative") == pytest.approx(4.0 / 2.5)


def test_examples_are_parts_of_the_shrunk_pictures(tmp_path: Path) -> None:
    dataset = pictures(tmp_path, suffix=".jpg", side=64)
    records = dataset.splits["train"]
    examples = ShrunkExamples(records, train=Train(crop=24, flip=0, turn=0), shrink=2.0, crop=24)
    small = read_shrunk(records[0], 2.0, crop=24)
    assert small.shape == (3, 32, 36)
    whole = torch.from_numpy(np.array(Image.open(records[0].image))).permute(2, 0, 1).float()
    wanted = resize_bicubic(whole, size=(32, 36)).round().clamp(0, 255)
    assert (small.float() - wanted).abs().max() <= 1
    part = examples[3, 0].image
    found = [
        (top, left)
        for top in range(9)
        for left in range(13)
        if torch.equal(part, small[:, top : top + 24, left : left + 24])
    ]
    assert found
    assert torch.equal(part, examples[3, 0].image) and not torch.equal(part, examples[2, 0].image)
    lossless = pictures(tmp_path / "png", side=40).splits["train"][0]
    assert read_shrunk(lossless, 2.0, crop=24).shape == (3, 40, 49), "lossless pictures stay as they are"
    assert read_shrunk(records[0], 2.0, crop=60).shape[1] == 60, "not smaller than a crop"


def test_small_pictures_are_refused_by_name(tmp_path: Path) -> None:
    record = pictures(tmp_path, side=20).splits["train"][1]
    with pytest.raises(OcellusError, match=r"1\.png is 29x20 pixels, and parts of 32x32"):
        read_shrunk(record, 1.0, crop=32)


def test_learns_a_picture(tmp_path: Path) -> None:
    """In 150 steps one picture is enlarged by 3 dB more than bicubic does."""
    dataset = pictures(tmp_path, count=1, side=32)
    squares = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).repeat(4, 0).repeat(4, 1)
    Image.fromarray(squares.astype(np.uint8)).save(tmp_path / "train" / "0.png")
    recipe = make(SYSTEM, dataset, {"factor": 2, "width": 16, "crop": 32, "flip": 0.0, "turn": 0.0})
    records = dataset.splits["train"]
    example = recipe.examples(dataset, "train")[0, 0].image[None].float() / 255
    optimizer = torch.optim.Adam(recipe.network.parameters(), 5e-3)
    small, truth = recipe.pair(Record(image=records[0].image, name="a"))
    before = psnr(recipe.made(recipe.network, small, reduced=False), truth, crop=2)
    plain = psnr(resize_bicubic(small, 2).clamp(0, 1), truth, crop=2)
    assert abs(before - plain) < 3  # it begins as bilinear enlargement
    for _ in range(150):
        loss = recipe.training_step(type("Batch", (), {"images": example})(), 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert psnr(recipe.made(recipe.network, small, reduced=False), truth, crop=2) > plain + 3


def test_validation_measures_what_it_says(tmp_path: Path) -> None:
    """A fresh network is torch's bicubic, near to MATLAB's; figures are those of luminance."""
    dataset = pictures(tmp_path)
    recipe = make(SYSTEM, dataset, {"base": "bicubic", "crop": 32})
    figures = recipe.validator(dataset, "val")(recipe.network.eval())
    assert set(figures) == {"psnr", "ssim", "gain", "pictures"} and abs(figures["gain"]) < 2.5
    assert figures["pictures"] == len(dataset.splits["val"])
    record = dataset.splits["val"][0]
    small, truth = recipe.pair(record)
    alone = recipe.measure(recipe.network, [record], reduced=False)
    made = F.interpolate(small[None], scale_factor=2, mode="bicubic", align_corners=False)[0]
    made = (made.clamp(0, 1) * 255).round() / 255
    assert alone["psnr"] == pytest.approx(psnr(made, truth, crop=2, luma=True), abs=1e-3)
    assert recipe.samples(recipe.network)["enlarged"].shape == (3, 2 * 192, 3 * 192)


def test_a_blank_picture_does_not_decide(tmp_path: Path) -> None:
    """It is enlarged without an error, infinite PSNR, beside which no other picture would count."""
    dataset = pictures(tmp_path)
    Image.new("RGB", (32, 32)).save(tmp_path / "val" / "0.png")
    figures = make(SYSTEM, dataset, {}).validator(dataset, "val")
    recipe = make(SYSTEM, dataset, {})
    found = figures(recipe.network.eval())
    other = recipe.measure(recipe.network, dataset.splits["val"][1:], reduced=False)
    assert found["psnr"] == pytest.approx((100 + other["psnr"]) / 2)
    assert found["gain"] == pytest.approx(other["gain"] / 2)


def test_what_the_factor_leaves_over_is_cut_from_the_end(tmp_path: Path) -> None:
    dataset = pictures(tmp_path, side=47)  # 47 x 56
    record = dataset.splits["val"][0]
    whole = torch.from_numpy(np.array(Image.open(record.image))).permute(2, 0, 1).float() / 255
    _, truth = make(SYSTEM, dataset, {"factor": 4}).pair(record)
    assert torch.equal(truth, whole[:, :44])
    _, middle = make(SYSTEM, dataset, {"factor": 4, "validate_side": 40}).pair(record)
    assert torch.equal(middle, whole[:, 3:43, 8:48])


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    assert_resumes(SYSTEM, pictures(tmp_path / "data"), tmp_path / "runs", ema=0.9)


def test_resumed_is_uninterrupted_with_an_adversary(tmp_path: Path, eye: str) -> None:
    settings = {"perceptual": 0.1, "perceptual_layers": ("stage1",), "loss_network": eye, **GAN}
    found = assert_resumes(SYSTEM, pictures(tmp_path / "data"), tmp_path / "runs", **settings)
    assert not any("eye" in name for name in found), "the loss network is not part of a checkpoint"


def test_two_processes_with_an_adversary(tmp_path: Path) -> None:
    assert_two_processes(SYSTEM, pictures(tmp_path / "data"), tmp_path, **GAN)


def test_monitor_of_features_is_better_where_lower(tmp_path: Path, eye: str) -> None:
    dataset = pictures(tmp_path)
    settings = {"monitor": "perceptual", "loss_network": eye, "perceptual_layers": ("stage1",)}
    recipe = make(SYSTEM, dataset, settings)
    assert recipe.lower_is_better and recipe.automatic_optimization
    assert recipe.validator(dataset, "val")(recipe.network)["perceptual"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 33}, "crop is 33; it must be a multiple of --factor 2"),
        ({"pixel": "none"}, "no loss is left"),
        ({"perceptual": 0.1}, "give its weights file, --loss-network"),
        ({"perceptual": 0.1, "loss_network": "nowhere.safetensors"}, "nowhere.safetensors is not there"),
        ({"adversarial": 0.1, "discriminator_side": 96}, "judges pictures of 96 pixels and --crop is 32"),
        ({"game": "chess"}, "game is 'chess'"),
        ({"shrink": 0.5}, "shrink is 0.5"),
    ],
)
def test_refuses_trainings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    nothing = Dataset(root=Path("x"), format="images", labels=LabelMap(()), splits={})
    from ocellus import catalog
    from ocellus.jobs.settings import defaults

    found = defaults(SYSTEM, "x", preset="tiny").with_values(**settings)
    with pytest.raises(OcellusError, match=message):
        catalog.system(SYSTEM).Recipe(found.config, found.train, found.fit, nothing.labels)
