"""SCOUTER's network: features, and slots that attend to them; their sums are the scores of the classes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.explain.scouter.config import SIGNS, Config
from ocellus.nn.cifar_resnet import DEPTHS, CifarResNet
from ocellus.nn.light import Light
from ocellus.nn.norm import NORMS
from ocellus.nn.resnet import BLOCKS, ResNet

DILATED = {8: (True, True), 16: (False, True), 32: (False, False)}
"""Which of the last two stages are dilated, by the stride of the features."""


class Published(NamedTuple):
    """What an architecture is like where the settings leave it open."""

    depths: tuple[int, ...]  # that there are, the usual one first
    width: int  # channels of the first stage
    strides: tuple[int, ...]  # that its features can have


ARCHITECTURES = {
    "resnet": Published((50, *(depth for depth in BLOCKS if depth != 50)), 64, tuple(DILATED)),
    "cifar_resnet": Published((20, 8, 14, *DEPTHS[1:]), 16, (1, 2, 4)),
    "small": Published((), 32, tuple(DILATED)),
}


class Raw(NamedTuple):
    """What the network puts out, before it is a value. K: classes, S: slots of each."""

    logits: Tensor  # (B, K)
    attention: Tensor  # (B, K, S, h, w) in (0, 1), of the last iteration


class SlotAttention(nn.Module):
    """The explainable slot attention, "xSlot" (arXiv:2009.06138).

    Each slot looks for what speaks for its class, or against it, at all places at once, and is told what it
    found, a few times over. Slots do not compete for places: the attention is a sigmoid.

    Args:
        slots: how many there are, those of one class side by side.
        channels: of the features.
        iterations: how often they look.
    """

    def __init__(self, slots: int, channels: int, *, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        mean, deviation = torch.randn(channels), torch.randn(channels).abs()
        self.initial = nn.Parameter(mean + deviation * torch.randn(slots, channels))  # W(0)
        self.keys = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(),
            nn.Linear(channels, channels), nn.ReLU(),
            nn.Linear(channels, channels),
        )  # fmt: skip
        self.update = nn.GRUCell(channels, channels) if iterations > 1 else None

    def forward(self, values: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """What the slots find, and where.

        Args:
            values: (B, N, C) features of N places.
            positions: (N, C) the places' encoding; only the keys know of it.

        Returns:
            (B, slots, C) the last update, and (B, slots, N) the attention it was made with.
        """
        keys = self.keys(values + positions).transpose(1, 2)  # (B, C, N)
        slots = self.initial.expand(len(values), -1, -1)  # (B, slots, C)
        for last in range(self.iterations - 1, -1, -1):
            attention = torch.sigmoid(slots @ keys)  # (B, slots, N)
            updates = attention @ values / values.shape[2]  # (B, slots, C)
            if last and self.update is not None:
                slots = self.update(updates.flatten(0, 1), slots.flatten(0, 1)).view_as(updates)
        return updates, attention


class Scouter(nn.Module):
    """A backbone's last features, and slots that attend to them.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.backbone = make_backbone(config)
        self.reduce = nn.Conv2d(self.backbone.channels[-1], config.hidden, 1)
        self.slots = SlotAttention(config.classes * config.slots, config.hidden, iterations=config.iterations)

    def forward(self, images: Tensor) -> Raw:
        """Logits of a batch, and what they were made of.

        Args:
            images: (B, channels, H, W) in [0, 1], RGB where they have colors; of any size.
        """
        maps = F.relu(self.reduce(self.features(images)))  # (B, C, h, w)
        height, width = maps.shape[2:]
        values = maps.flatten(2).transpose(1, 2)  # (B, N, C)
        # Sums over all places need more digits than bf16 has.
        with torch.autocast(values.device.type, enabled=False):
            values = values.to(self.slots.initial.dtype)
            positions = encoding(self.config.hidden, height, width).to(values)
            updates, attention = self.slots(values, positions)
            each = updates.sum(dim=2).unflatten(1, (self.config.classes, self.config.slots))
            logits = SIGNS[self.config.says] * each.sum(dim=2)  # (B, K)
        return Raw(logits, attention.unflatten(1, each.shape[1:]).unflatten(3, (height, width)))

    def features(self, images: Tensor) -> Tensor:
        """(B, C, h, w), the backbone's, of (B, channels, H, W) pictures in [0, 1]."""
        levels: list[Tensor] = self.backbone(self.normalize(images))
        return levels[-1]

    def normalize(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> what the backbone takes, channels-last.

        For small the last row and column are repeated up to a multiple of the stride.
        """
        images = (images - self.mean) / self.std
        below, right = (-side % self.config.stride for side in images.shape[2:])
        if self.config.architecture == "small" and (below or right):
            images = F.pad(images, (0, right, 0, below), mode="replicate")
        return images.contiguous(memory_format=torch.channels_last)


def encoding(channels: int, height: int, width: int) -> Tensor:
    """(height * width, channels) where each place is: sines and cosines of its row and of its column.

    As Carion 2020 (arXiv:2005.12872, appendix A.4) from Vaswani 2017: half of the channels for the rows, half
    for the columns, of places from 0 to 2 pi in waves from 1 to 10,000 times as long.

    Args:
        channels: a multiple of 4.
        height: rows.
        width: columns.
    """
    rates = 10_000.0 ** -(torch.arange(channels // 4) / (channels // 4))  # (channels / 4,)
    halves = []
    for count in (height, width):
        angles = 2 * math.pi * (torch.arange(count) + 0.5)[:, None] / count * rates
        halves.append(torch.cat([angles.sin(), angles.cos()], dim=1))  # (count, channels / 2)
    rows, columns = halves
    both = [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)]
    return torch.cat(both, dim=2).flatten(0, 1)


def make_backbone(config: Config) -> ResNet | CifarResNet | Light:
    """What makes the features; the slots attend to its last level."""
    published = ARCHITECTURES[config.architecture]
    width, norm, eps = config.width or published.width, config.norm, config.norm_eps
    depth = config.depth or next(iter(published.depths), 0)
    if config.architecture == "cifar_resnet":
        stages = published.strides.index(config.stride) + 1
        return CifarResNet(depth, channels=config.channels, width=width, norm=norm, eps=eps, stages=stages)
    dilate = DILATED[config.stride]
    if config.architecture == "small":
        return Light(config.channels, width=width, norm=norm, eps=eps, dilate=dilate)
    return ResNet(depth, inputs=config.channels, width=width, norm=norm, eps=eps, dilate=dilate)


def build(config: Config) -> Scouter:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    for field, allowed in {"architecture": ARCHITECTURES, "norm": NORMS, "says": SIGNS}.items():
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(allowed)}")
    kind, published = config.architecture, ARCHITECTURES[config.architecture]
    for field, values in {"depth": (0, *published.depths), "stride": published.strides}.items():
        known = ", ".join(map(str, values))
        require(getattr(config, field) in values, config, field, f"one of {known} for {kind}")
    least = {"channels": 1, "classes": 2, "slots": 1, "iterations": 1, "hidden": 4, "width": 0}
    for field, lowest in {**least, "norm_eps": 0, "short_side": 0, "crop": 0}.items():
        require(getattr(config, field) >= lowest, config, field, f"{lowest} or more")
    require(config.hidden % 4 == 0, config, "hidden", "a multiple of 4")
    for field in ("mean", "std"):
        counts = f"{config.channels} numbers, one a channel, or 1 for all"
        require(len(getattr(config, field)) in (1, config.channels), config, field, counts)
    require(min(config.std) > 0, config, "std", "above 0")
    require(config.crop <= config.short_side, config, "crop", f"at most short_side, {config.short_side}")
    return Scouter(config).to(memory_format=torch.channels_last)
