"""The published networks' answers for known weights and a known input (golden files), output by output."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ocellus.see.fcn.config import PAPER, SMALL, Config
from ocellus.see.fcn.convert import import_state
from ocellus.see.fcn.model import CROPS, FCN, build

WORST = 1e-4


def reader(shared: Path) -> Any:
    """The golden files' own reader."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity


def fixture(shared: Path, name: str) -> tuple[Any, Any]:
    """The golden files' reader, and one of them; not kept, for each holds a network of 136 million values."""
    parity = reader(shared)
    return parity, parity.load(shared / "parity" / name)


def loaded(config: Config, state: dict[str, Tensor]) -> FCN:
    """A network with these weights, without the time it takes to draw fresh ones first."""
    with torch.device("meta"):
        network = build(config)
    network.load_state_dict(state, assign=True)
    network.mean = torch.tensor(config.mean)[:, None, None]
    network.std = torch.tensor(config.std)[:, None, None]
    return network.to(memory_format=torch.channels_last).eval()


def picture(parity: Any, golden: Any) -> Tensor:
    """The picture in [0, 1], RGB, that the golden input was made of."""
    spec = golden.meta["inputs"][0]
    return parity.image(spec["height"], spec["width"], spec["seed"])[None]


def compare_all(parity: Any, golden: Any, found: dict[str, Tensor]) -> None:
    worst = {name: parity.compare(found[name], wanted)[1] for name, wanted in golden.outputs.items()}
    assert len(worst) == len(golden.meta["outputs"]) >= 2
    assert max(worst.values()) <= WORST, worst


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_pytorch_fcn(shared: Path, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parity, golden = fixture(shared, f"fcn-{stride}s")
    config, state, labels = import_state(golden.state)
    assert (config.stride, config.mixed, config.at_once, config.depth) == (stride, True, False, 16)
    assert labels[0] == "background" and labels[20] == "tvmonitor"
    network = loaded(config, state)
    with torch.no_grad():
        raw = network(picture(parity, golden))
        found = {"score": raw.logits, "score_fr": raw.score}
        if network.upsample_score is not None:
            found["upscore2"] = network.upsample_score(raw.score)
            found["score_pool4"] = raw.score_pool4
        if network.upsample_pool4 is not None:
            found["upscore_pool4"] = network.upsample_pool4(network.merge(raw.score, raw.score_pool4, None))
            found["score_pool3"] = raw.score_pool3
    compare_all(parity, golden, found)
    if stride == 8:  # the comparison is worth something: one cell beside the published place is seen
        monkeypatch.setitem(CROPS, "pool3", 10)
        with torch.no_grad():
            beside = network.enlarge(network.merge(*raw[2:]), raw.logits.shape[2:])
        assert parity.compare(beside, golden.outputs["score"])[1] > 0.01


def test_torchvision(shared: Path) -> None:
    parity, golden = fixture(shared, "fcn-torchvision_resnet50")
    config, state, _ = import_state(golden.state)
    assert (config.stride, config.dilated, config.auxiliary, config.depth) == (8, True, True, 50)
    network = loaded(config, state)
    with torch.no_grad():
        image = picture(parity, golden)
        raw, features = network(image), network.features(image)
        assert network.auxiliary_head is not None and network.auxiliary_score is not None
        auxiliary = network.auxiliary_score(network.auxiliary_head(features.pool4))
    found = {
        "out": raw.logits,
        "classifier": raw.score,
        "layer4": features.last,
        "aux_classifier": auxiliary,
    }
    compare_all(parity, golden, found)


def test_input_is_normalised_as_published(shared: Path) -> None:
    """The network's own normalisation of a picture in [0, 1] gives the golden input."""
    for name, config in (("fcn-8s", PAPER), ("fcn-torchvision_resnet50", SMALL)):
        parity, meta = reader(shared), json.loads((shared / "parity" / name / "meta.json").read_text())
        spec = meta["inputs"][0]
        image = parity.image(spec["height"], spec["width"], spec["seed"])[None]
        found = build(replace(config, width=1, head_channels=1)).normalize(image)
        wanted = parity.network_input(spec)
        assert (found - wanted).abs().max() / wanted.abs().max() < 1e-6, name
