"""Names by rules, and what all imports of public checkpoints check."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.renaming import (
    adjusted,
    check_whole,
    class_labels,
    counted,
    numbered,
    prefixed,
    renamed,
)
from ocellus.nn.resnet import PUBLIC_NAMES, ResNet, public_depth


@dataclass(frozen=True)
class Config:
    inputs: int = 2
    outputs: int = 3


def build(config: Config) -> nn.Module:
    return nn.Sequential(nn.Conv2d(config.inputs, config.outputs, 1), nn.BatchNorm2d(config.outputs))


def test_groups_as_they_are_less_and_halved() -> None:
    state = {"layer3.6.weight": torch.zeros(1), "other.bias": torch.ones(1)}
    rules = [(r"layer(\d)\.(\d)\.", r"stages.{0-1}.{1/2}.of{1}."), (r"other", r"mine")]
    assert set(renamed(state, rules, network="it")) == {"stages.2.3.of6.weight", "mine.bias"}


def test_the_first_rule_that_fits_is_taken_and_a_name_of_none_is_refused() -> None:
    rules = [(r"a\.", r"first."), (r"[ab]\.", r"second.")]
    assert set(renamed({"a.w": torch.zeros(1), "b.w": torch.zeros(1)}, rules, network="it")) == {
        "first.w", "second.w",
    }  # fmt: skip
    assert list(renamed({"x.b.w": torch.zeros(1)}, prefixed(rules, r"x\."), network="it")) == ["second.w"]
    with pytest.raises(OcellusError, match=r"holds c\.w, which it does not have; so there$"):
        renamed({"c.w": torch.zeros(1)}, rules, network="it", hint="; so there")


def test_counters_are_of_live_norms_alone() -> None:
    state = dict(build(Config()).state_dict())
    assert counted(state, norm="batch").keys() == state.keys()
    bare = counted(state, norm="frozen")
    assert state.keys() - bare.keys() == {"1.num_batches_tracked"}
    assert counted(bare, norm="batch")["1.num_batches_tracked"] == 0


def test_whole_or_not() -> None:
    state: dict[str, Tensor] = dict(build(Config()).state_dict())
    check_whole(state, build, Config())
    with pytest.raises(OcellusError, match=r"nothing that could be 0\.bias; it is not a whole net"):
        check_whole({k: v for k, v in state.items() if k != "0.bias"}, build, Config(), network="net")
    with pytest.raises(
        OcellusError, match=r"0\.weight has the shape \(3, 2, 1, 1\), \(3, 5, 1, 1\) is wanted"
    ):
        check_whole(state, build, Config(inputs=5))
    with pytest.raises(OcellusError, match="holds more too"):
        check_whole(state | {"more": torch.zeros(1)}, build, Config())


def test_settings_by_name() -> None:
    assert adjusted(Config(), None) == Config() and adjusted(Config(), {"inputs": 7}).inputs == 7
    with pytest.raises(OcellusError, match="no setting colour; known are inputs, outputs") as caught:
        adjusted(Config(), {"colour": 1})
    assert caught.value.exit_code == 2


def test_names_of_classes() -> None:
    assert tuple(class_labels((), classes=2, known=numbered)) == ("class 1", "class 2")
    assert tuple(class_labels(("a", "b"), classes=2, known=numbered)) == ("a", "b")
    with pytest.raises(OcellusError, match="1 class names for a checkpoint of 2"):
        class_labels(("a",), classes=2, known=numbered)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_depth_of_a_public_resnet(depth: int) -> None:
    from torchvision import models

    with torch.device("meta"):
        theirs = getattr(models, f"resnet{depth}")(weights=None).state_dict()
        wanted = ResNet(depth).state_dict()
    body = {name: value for name, value in theirs.items() if not name.startswith("fc.")}
    ours = renamed(body, PUBLIC_NAMES, network="a ResNet")
    assert public_depth(ours) == depth and set(ours) == {f"backbone.{name}" for name in wanted}
    with pytest.raises(OcellusError, match="stages of"):
        public_depth({name: value for name, value in ours.items() if ".stages.2.1." not in name})
