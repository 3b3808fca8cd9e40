"""Public checkpoints: what is told apart, and what is refused. Outputs: test_parity.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18, resnet101, resnext50_32x4d

from ocellus.errors import OcellusError
from ocellus.see.pspnet.convert import import_state
from ocellus.see.pspnet.model import build


@pytest.fixture(scope="module")
def semseg(shared: Path) -> dict[str, Tensor]:
    entries = json.loads((shared / "parity" / "pspnet-resnet50" / "meta.json").read_text())["entries"]
    return {key: torch.empty(shape, device="meta") for key, shape in entries.items()}


def classifier(make: object) -> dict[str, Tensor]:
    with torch.device("meta"):
        return make(weights=None).state_dict()  # type: ignore[operator]


def test_semseg(semseg: dict[str, Tensor]) -> None:
    config, state, labels = import_state(semseg)
    assert (config.classes, config.depth, config.head_channels, config.auxiliary) == (150, 50, 512, True)
    assert config.deep_stem and config.dilate_first and config.align_corners
    assert state["fusion.direct.weight"].shape == (512, 2048, 3, 3)
    assert state["fusion.levels.3.weight"].shape == (512, 512, 3, 3)
    assert labels[0] == "class 1" and len(labels) == 150


def test_semseg_without_auxiliary_scores(semseg: dict[str, Tensor]) -> None:
    without = {name: tensor for name, tensor in semseg.items() if not name.startswith("aux.")}
    assert not import_state(without)[0].auxiliary


def test_the_fusion_is_cut_in_the_order_of_the_published_one(semseg: dict[str, Tensor]) -> None:
    weight = torch.arange(4096.0)[None, :, None, None].expand(512, -1, 3, 3)
    _, state, _ = import_state(semseg | {"cls.0.weight": weight})
    assert state["fusion.direct.weight"][0, :, 0, 0].tolist() == list(range(2048))
    for level in range(4):
        begin = 2048 + 512 * level
        assert state[f"fusion.levels.{level}.weight"][0, :, 0, 0].tolist() == list(range(begin, begin + 512))


@pytest.mark.parametrize(("make", "depth"), [(resnet18, 18), (resnet101, 101)])
def test_classifiers(make: object, depth: int) -> None:
    config, _, _ = import_state(classifier(make), names=("a", "b"), adjust={"head_channels": 16})
    assert (config.depth, config.deep_stem, config.dilate_first) == (depth, False, False)
    assert (config.classes, config.head_channels) == (2, 16)


def test_a_classifier_gets_a_fresh_head() -> None:
    torch.manual_seed(0)
    theirs = resnet18(weights=None)
    config, state, labels = import_state(theirs.state_dict(), adjust={"head_channels": 16})
    network = build(config)
    network.load_state_dict(state)
    assert tuple(labels) == ("class 1", "class 2")
    assert torch.equal(network.backbone.stem.conv.weight, theirs.conv1.weight)
    again = import_state(theirs.state_dict(), adjust={"head_channels": 16})[1]
    assert torch.equal(again["score.weight"], state["score.weight"])
    frozen, state, _ = import_state(theirs.state_dict(), adjust={"head_channels": 16, "norm": "frozen"})
    build(frozen).load_state_dict(state)


def test_a_classifier_with_a_deep_stem() -> None:
    with torch.device("meta"):
        state = {name: torch.empty_like(tensor) for name, tensor in classifier(resnet18).items()}
    state["conv1.weight"] = torch.empty(64, 3, 3, 3, device="meta")
    for index, (inputs, outputs) in enumerate(((64, 64), (64, 128)), start=2):
        state[f"conv{index}.weight"] = torch.empty(outputs, inputs, 3, 3, device="meta")
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"bn{index}.{part}"] = torch.empty(outputs, device="meta")
    state["layer1.0.conv1.weight"] = torch.empty(64, 128, 3, 3, device="meta")
    state["layer1.0.downsample.0.weight"] = torch.empty(64, 128, 1, 1, device="meta")
    for part in ("weight", "bias", "running_mean", "running_var"):
        state[f"layer1.0.downsample.1.{part}"] = torch.empty(64, device="meta")
    config, ours, _ = import_state(state)
    assert config.deep_stem and not config.dilate_first
    assert ours["backbone.stem.4.conv.weight"].shape == (128, 64, 3, 3)


def test_refused(semseg: dict[str, Tensor]) -> None:
    with pytest.raises(OcellusError, match="neither those of semseg's PSPNet"):
        import_state({"backbone.conv1.weight": torch.zeros(1)})
    with pytest.raises(OcellusError, match="holds surplus, which"):
        import_state(semseg | {"surplus": torch.zeros(1)})
    with pytest.raises(OcellusError, match=r"nothing that could be score\.bias"):
        import_state({name: value for name, value in semseg.items() if name != "cls.4.bias"})
    with pytest.raises(OcellusError, match="no pyramid"):
        import_state({name: value for name, value in semseg.items() if not name.startswith("cls.0.")})
    with pytest.raises(OcellusError, match="pyramid has 3 levels"):
        import_state({name: value for name, value in semseg.items() if "features.3" not in name})
    with pytest.raises(OcellusError, match="3 class names for a checkpoint of 150"):
        import_state(semseg, names=("a", "b", "c"))
    with pytest.raises(OcellusError, match="no setting colour"):
        import_state(semseg, adjust={"colour": "RGB"})
    with pytest.raises(OcellusError, match="ResNeXt"):
        import_state(classifier(resnext50_32x4d))
    with pytest.raises(OcellusError, match="stages of"):
        import_state({name: value for name, value in semseg.items() if not name.startswith("layer3.5.")})
