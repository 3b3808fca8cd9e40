"""The published network's answers for known weights and a known input (golden files), output by output."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models import resnet50

from ocellus.nn.fuse import fuse
from ocellus.see.pspnet.config import Config
from ocellus.see.pspnet.convert import import_state
from ocellus.see.pspnet.model import PSPNet, build

WORST = 1e-4


@cache
def fixture(shared: Path) -> tuple[Any, Any]:
    """The golden files' own reader, and ours of them."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity, parity.load(shared / "parity" / "pspnet-resnet50")


def loaded(config: Config, state: dict[str, Tensor]) -> PSPNet:
    """A network with these weights, without the time it takes to draw fresh ones first."""
    with torch.device("meta"):
        network = build(config)
    network.load_state_dict(state, assign=True)
    network.mean = torch.tensor(config.mean)[:, None, None]
    network.std = torch.tensor(config.std)[:, None, None]
    return network.to(memory_format=torch.channels_last).eval()


@cache
def published(shared: Path) -> PSPNet:
    config, state, _ = import_state(fixture(shared)[1].state)
    return loaded(config, state)


def answers(network: PSPNet, image: Tensor) -> dict[str, Tensor]:
    """Every piece of the network on an input that is normalised already."""
    with torch.no_grad():
        before, last = network.backbone(image.contiguous(memory_format=torch.channels_last))[-2:]
        levels = [
            F.interpolate(level, size=last.shape[2:], mode="bilinear", align_corners=True)
            for level in network.pyramid(last)
        ]
        scores = network.head(last)
        assert network.auxiliary is not None
        return {
            "ppm": torch.cat([last, *levels], dim=1),
            "cls": scores,
            "score": network.enlarge(scores, (image.shape[2], image.shape[3])),
            "aux": network.auxiliary(before),
        }


def worst(shared: Path, found: dict[str, Tensor]) -> dict[str, float]:
    parity, golden = fixture(shared)
    return {name: parity.compare(found[name], expected)[1] for name, expected in golden.outputs.items()}


def test_every_output(shared: Path) -> None:
    _, golden = fixture(shared)
    network = published(shared)
    assert network.config == Config()
    errors = worst(shared, answers(network, golden.inputs[0]))
    assert set(errors) == {"ppm", "cls", "score", "aux"}
    assert max(errors.values()) <= WORST, errors


def test_fused_answers_the_same(shared: Path) -> None:
    _, golden = fixture(shared)
    errors = worst(shared, answers(fuse(published(shared)), golden.inputs[0]))
    assert max(errors.values()) <= WORST, errors


def test_input_is_normalised_as_published(shared: Path) -> None:
    """The network's own normalisation of a picture in [0, 1] gives the golden input."""
    parity, golden = fixture(shared)
    spec = golden.meta["inputs"][0]
    picture = parity.image(spec["height"], spec["width"], spec["seed"])[None]
    found = published(shared).normalize(picture)
    assert found.shape == golden.inputs[0].shape
    assert (found - golden.inputs[0]).abs().max() / golden.inputs[0].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("change", "output"),
    [({"dilate_first": False}, "ppm"), ({"align_corners": False}, "cls"), ({"bins": (1, 2, 3, 4)}, "ppm"),
     ({"norm_eps": 1e-2}, "aux")],
    ids=str,
)  # fmt: skip
def test_a_wrong_convention_shows(shared: Path, change: dict[str, Any], output: str) -> None:
    parity, golden = fixture(shared)
    config, state, _ = import_state(golden.state, adjust=change)
    network = loaded(config, state)
    if not config.align_corners:  # of the same size, to compare the scores
        with torch.no_grad():
            found = network.head(network.backbone(golden.inputs[0])[-1])
    else:
        found = answers(network, golden.inputs[0])[output]
    assert parity.compare(found, golden.outputs[output])[1] > 0.002


def test_features_of_a_torchvision_classifier() -> None:
    """The backbone of an imported classifier is torchvision's with strides replaced by dilation."""
    torch.manual_seed(0)
    theirs = resnet50(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    config, state, labels = import_state(theirs.state_dict(), names=("a", "b", "c"))
    assert (config.classes, config.deep_stem, config.dilate_first) == (3, False, False) and len(labels) == 3
    network = loaded(config, state)
    images = torch.rand(1, 3, 65, 81)
    with torch.no_grad():
        wanted = network.normalize(images)
        for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            wanted = getattr(theirs, part)(wanted)
        found = network.features(images)[1]
    assert found.shape == wanted.shape == (1, 2048, 9, 11)
    assert (found - wanted).abs().max() <= WORST * wanted.abs().max()
