"""Which parameters learn how fast."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ocellus.training.optimizers import backbone_stage, make_optimizer, parameter_groups
from ocellus.training.settings import Fit


def network() -> nn.Module:
    layers = {"stem": nn.Conv2d(3, 4, 3), "layer1": nn.BatchNorm2d(4), "layer2": nn.Linear(4, 4)}
    return nn.ModuleDict({**layers, "head": nn.Linear(4, 2)})


def stage(name: str) -> int | None:
    return {"stem": 0, "layer1": 1, "layer2": 2}.get(name.partition(".")[0])


def test_layerwise_rates_and_decay() -> None:
    model = network()
    model["layer2"].bias.requires_grad_(False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    settings = Fit(learning_rate=1.0, backbone_rate=0.1, layer_decay=0.5, weight_decay=0.01)
    found = {
        names[id(parameter)]: (pytest.approx(group["lr"]), group["weight_decay"])
        for group in parameter_groups(model.named_parameters(), settings, stage=stage)
        for parameter in group["params"]
    }
    assert found == {
        "stem.weight": (0.025, 0.01),
        "stem.bias": (0.025, 0.0),
        "layer1.weight": (0.05, 0.0),
        "layer1.bias": (0.05, 0.0),
        "layer2.weight": (0.1, 0.01),
        "head.weight": (1.0, 0.01),
        "head.bias": (1.0, 0.0),
    }


def test_kinds() -> None:
    sgd = make_optimizer(network(), Fit(optimizer="sgd", learning_rate=0.02))
    assert isinstance(sgd, torch.optim.SGD) and sgd.param_groups[0]["momentum"] == 0.9
    adamw = make_optimizer(network(), Fit(learning_rate=0.02))
    assert isinstance(adamw, torch.optim.AdamW) and len(adamw.param_groups) == 2


def test_stages_of_a_backbone() -> None:
    """What comes before the first stage is 0, a widening convolution is of its stage; a head is of none."""
    names = {
        "backbone.stem.conv.weight": 0,
        "backbone.norm.bias": 0,
        "backbone.stages.0.1.conv1.conv.weight": 1,
        "backbone.wider.3.conv.weight": 4,
        "backbone.stages.12.weight": 13,
        "head.backbone.stages.1.weight": None,
        "score.bias": None,
    }
    assert {name: backbone_stage(name) for name in names} == names
