"""Optimizers: which parameters learn how fast, and which decay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ocellus.training.settings import Fit

Stage = Callable[[str], int | None]
"""A parameter's name -> stage of the backbone it is in, 0 for the stem; None outside the backbone."""


def backbone_stage(name: str) -> int | None:
    """The stage of a network's `backbone` that a parameter is in, by its name: 0 what comes before the first.

    Stages are called `stages`; a convolution before one that widens it is in `wider`.
    """
    if not name.startswith("backbone."):
        return None
    found = re.match(r"backbone\.(?:stages|wider)\.(\d+)\.", name)
    return int(found[1]) + 1 if found else 0


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], settings: Fit, *, stage: Stage | None = None
) -> list[dict[str, Any]]:
    """Parameters grouped by learning rate and weight decay, for any optimizer of torch.

    Args:
        named: of the network; those that need no gradient are left out.
        settings: learning_rate, backbone_rate, layer_decay, weight_decay.
        stage: tells the backbone's stages apart; None: there is no backbone.

    Returns:
        Groups with `params`, `lr` and `weight_decay`. The backbone's last stage learns at backbone_rate times
        the rate, each stage before it at layer_decay times the next one's. Norms and biases do not decay.
    """
    entries = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    stages = {name: stage(name) for name, _ in entries} if stage else {}
    deepest = max((place for place in stages.values() if place is not None), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in entries:
        place = stages.get(name)
        share = 1.0
        if place is not None:
            share = settings.backbone_rate * settings.layer_decay ** (deepest - place)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((settings.learning_rate * share, decay), []).append(parameter)
    return [{"params": group, "lr": lr, "weight_decay": decay} for (lr, decay), group in groups.items()]


def make_optimizer(
    network: nn.Module,
    settings: Fit,
    *,
    stage: Stage | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum 0.9 over a network's parameters; see `parameter_groups`.

    Args:
        network: whose parameters.
        settings: which optimizer, how fast, with how much decay.
        stage: see `parameter_groups`.
        betas: of AdamW: how slowly its means of the gradient and of its square follow. Networks that play
            against each other take 0.5 for the first (Radford 2015, arXiv:1511.06434, section 4).
    """
    groups = parameter_groups(network.named_parameters(), settings, stage=stage)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, fused=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)
