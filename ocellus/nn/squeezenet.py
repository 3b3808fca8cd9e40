"""SqueezeNet 1.0 and 1.1 (Iandola 2016, arXiv:1602.07360), as feature extractors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Plan(NamedTuple):
    """What tells one version from another."""

    kernel: int  # side of the first convolution
    stem: int  # its channels
    stages: tuple[tuple[int, ...], ...]  # channels of each fire module, squeezed, between poolings


VERSIONS = {
    "1.0": Plan(7, 96, ((16, 16, 32), (32, 48, 48, 64), (64,))),
    "1.1": Plan(3, 64, ((16, 16), (32, 32), (48, 48, 64, 64))),
}
"""Table 1 of the paper, and the authors' later version of the same size and less work. A fire module widens
what it squeezed eightfold."""


class Fire(nn.Module):
    """A 1x1 convolution that narrows, then a 1x1 and a 3x3 one side by side (section 3.2).

    Args:
        inputs: channels in.
        squeezed: channels between; four times as many come from each of the two that widen.
    """

    def __init__(self, inputs: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, 4 * squeezed, 1)
        self.expand3x3 = nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1)
        for conv in (self.squeeze, self.expand1x1, self.expand3x3):
            begin(conv)

    def forward(self, features: Tensor) -> Tensor:
        narrow = F.relu(self.squeeze(features))
        return F.relu(torch.cat([self.expand1x1(narrow), self.expand3x3(narrow)], dim=1))


class SqueezeNet(nn.Module):
    """The convolutional part of a SqueezeNet: a convolution, and three stages of fire modules.

    A 3x3 pooling of stride 2 stands before each stage. As in Caffe it takes in a last row and column that it
    covers only in part.

    Args:
        version: "1.0" or "1.1".
        channels: of the input.
    """

    def __init__(self, version: str = "1.0", *, channels: int = 3) -> None:
        super().__init__()
        plan = VERSIONS[version]
        self.stem = nn.Conv2d(channels, plan.stem, plan.kernel, stride=2)
        begin(self.stem)
        self.channels = tuple(8 * stage[-1] for stage in plan.stages)
        self.stages = nn.ModuleList()
        inputs = plan.stem
        for stage in plan.stages:
            fires = []
            for squeezed in stage:
                fires.append(Fire(inputs, squeezed))
                inputs = 8 * squeezed
            self.stages.append(nn.Sequential(*fires))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of normalized images.

        Args:
            images: (B, channels, H, W), of 32 pixels or more a side.

        Returns:
            three (B, self.channels[i], about H / s, W / s) at strides s = 4, 8 and 16.
        """
        features = F.relu(self.stem(images))  # (B, stem, H/2, W/2)
        levels = []
        for stage in self.stages:
            features = stage(F.max_pool2d(features, 3, stride=2, ceil_mode=True))
            levels.append(features)
        return levels


def begin(conv: nn.Conv2d) -> None:
    """Fresh weights that keep the variance through a ReLU (He 2015, arXiv:1502.01852), biases of zero."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def public_names(version: str) -> list[tuple[str, str]]:
    """Names of the convolutions of torchvision's SqueezeNets, and ours of a `backbone`, as rules."""
    rules, place = [(r"features\.0\.", "backbone.stem.")], 3  # places 1 and 2 are a ReLU and a pooling
    for stage, fires in enumerate(VERSIONS[version].stages):
        for index in range(len(fires)):
            rules.append((rf"features\.{place}\.", f"backbone.stages.{stage}.{index}."))
            place += 1
        place += 1  # a pooling
    return rules
