"""LPIPS against the authors' golden output; the distance without weights by hand and on a loss network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.perceptual import PerceptualDistance, linear_weights, unit
from ocellus.nn.alexnet import PUBLIC_NAMES, AlexNet
from ocellus.nn.renaming import renamed


def parity(shared: Path) -> Any:
    specification = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_published_lpips(shared: Path) -> None:
    golden = parity(shared)
    fixture = golden.load(shared / "parity" / "lpips-alex")
    backbone = {
        "features." + name.split(".", 2)[2]: value
        for name, value in fixture.state.items()
        if name.startswith("net.")
    }
    network = AlexNet()
    network.load_state_dict(renamed(backbone, PUBLIC_NAMES, network="AlexNet"))
    mean, std = (torch.tensor(part)[:, None, None] for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def features(images: Tensor) -> dict[str, Tensor]:
        levels = network.eval()((images - mean) / std)
        return {f"layer{index}": level for index, level in enumerate(levels)}

    distance = PerceptualDistance(features, network="AlexNet", linear=linear_weights(fixture.state))
    images, others = ((given + 1) / 2 for given in fixture.inputs)  # the authors' are in [-1, 1]
    with torch.no_grad():
        found = distance(images, others)
    assert found.network == "AlexNet, LPIPS weights"
    absolute, _ = golden.compare(found.distance.reshape(1, 1, 1, 1), fixture.outputs["distance"])
    assert absolute < 1e-4
    for name, value in found.layers.items():
        absolute, _ = golden.compare(value.reshape(1, 1, 1, 1), fixture.outputs[name])
        assert absolute < 1e-5, name


def pixels(images: Tensor) -> dict[str, Tensor]:
    return {"pixels": images, "half": images[:, :2]}


def test_distance_by_hand() -> None:
    """Directions (1, 0, 0) and (0, 1, 0): squares of 1, 1 and 0 over three channels, and 1, 1 over two."""
    red, green = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    red[:, 0], green[:, 1] = 0.5, 0.25
    found = PerceptualDistance(pixels, network="pixels")(red, green)
    assert float(found.layers["pixels"]) == pytest.approx(2 / 3)
    assert float(found.distance) == pytest.approx(2 / 3 + 1)
    assert found.network == "pixels, all channels alike"
    weighed = PerceptualDistance(
        pixels, network="pixels", linear=(torch.tensor([1.0, 0.25, 9]), torch.zeros(2))
    )
    assert float(weighed(red, green).distance) == pytest.approx(1.25)
    assert float(weighed(red, red).distance) == 0
    assert torch.allclose(unit(3 * red)[:, 0], torch.ones(1, 2, 2))


def test_gradients_pull_a_picture_towards_the_other() -> None:
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 4, 4)
    image = torch.rand(1, 3, 4, 4, requires_grad=True)
    distance = PerceptualDistance(pixels, network="pixels")
    before = distance(image, truth).distance.sum()
    before.backward()
    assert distance((image - 0.05 * image.grad).detach(), truth).distance.sum() < before


def test_gradients_are_finite_where_no_feature_answers() -> None:
    image = torch.zeros(1, 3, 4, 4)
    image[..., :2] = 0.5
    image.requires_grad_()
    found = PerceptualDistance(lambda images: {"relu": images.relu()}, network="relu")
    found(image, torch.rand(1, 3, 4, 4)).distance.sum().backward()
    assert image.grad is not None and image.grad.isfinite().all() and image.grad[..., :2].abs().max() > 0


def test_weights_for_other_features_are_refused() -> None:
    images = torch.rand(1, 3, 4, 4)
    for given, wanted in (
        (
            lambda: PerceptualDistance(pixels, network="", linear=(torch.ones(5),))(images, images),
            "of .5. chan",
        ),
        (lambda: PerceptualDistance(pixels, network="")(images, images[..., :2]), "of one size"),
        (lambda: linear_weights({"conv.weight": torch.ones(1)}), "not those of LPIPS"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            given()
