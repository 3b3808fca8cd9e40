"""Portrait's network: a residual encoder, a look at the whole picture, a decoder with lateral connections."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.imagine.portrait.config import Config
from ocellus.nn import encoded
from ocellus.nn.dense import check_dense
from ocellus.nn.norm import NORMS, NormedConv
from ocellus.nn.squeezenet import SqueezeNet

STRIDE = 32
LEVELS = 4  # of the residual encoder after its stem: strides 4, 8, 16 and 32
BACKBONES = ("residual", encoded.ENCODER)


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    logits: Tensor  # (B, K, H, W) at the input's size
    auxiliary: Tensor | None  # (B, K, h, w) of the decoder at stride 8, in training alone


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut (He 2015, arXiv:1512.03385, section 3.3)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = NormedConv(inputs, outputs, kernel=3, stride=stride, norm=norm)
        self.conv2 = NormedConv(outputs, outputs, kernel=3, norm=norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = NormedConv(inputs, outputs, kernel=1, stride=stride, norm=norm)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.conv2(F.relu_(self.conv1(features)))
        inner += self.shortcut(features)
        return F.relu_(inner)


def residual_stages(config: Config) -> nn.ModuleList:
    """The residual encoder after its stem."""
    stages = nn.ModuleList()
    for index, count in enumerate(config.blocks):
        sizes = [config.widths[index]] + [config.widths[index + 1]] * count
        stages.append(
            nn.Sequential(
                *(
                    Residual(sizes[place], sizes[place + 1], stride=1 if place else 2, norm=config.norm)
                    for place in range(count)
                )
            )
        )
    return stages


class Context(nn.Module):
    """Adds to each place what the mean of the whole picture says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.whole = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        mean = features.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        return features + F.relu(self.whole(mean))


class Up(nn.Module):
    """One step of the decoder: enlarged to the finer level, joined with it, convolved."""

    def __init__(self, inputs: int, lateral: int, outputs: int, *, norm: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, outputs, 1)
        self.lateral = NormedConv(lateral, outputs, kernel=1, norm=norm)
        self.conv = NormedConv(outputs, outputs, kernel=3, norm=norm)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = F.interpolate(
            self.reduce(coarse), size=fine.shape[2:], mode="bilinear", align_corners=False
        )
        return F.relu_(self.conv(F.relu(self.lateral(fine) + enlarged)))


class Portrait(nn.Module):
    """Answers which class each pixel is of.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor
    margin = 0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.backbone: SqueezeNet | None = None
        if config.backbone == encoded.ENCODER:
            self.backbone = SqueezeNet("1.0", channels=config.channels)
            widths = encoded.level_channels(self.backbone)
        else:
            widths = config.widths
            self.stem = NormedConv(config.channels, widths[0], kernel=3, stride=2, norm=config.norm)
            self.stages = residual_stages(config)
        self.context = Context(widths[-1])
        decoder = config.decoder[-(len(widths) - 1) :]
        coarser = (widths[-1], *decoder)
        self.ups = nn.ModuleList(
            Up(coarser[index], widths[-2 - index], decoder[index], norm=config.norm)
            for index in range(len(decoder))
        )
        self.classify = nn.Conv2d(config.decoder[-1], config.classes, 1)
        self.auxiliary = nn.Conv2d(config.decoder[1], config.classes, 1)

    def forward(self, images: Tensor) -> Raw:
        """Class logits of a batch.

        Args:
            images: (B, channels, H, W) in [0, 1], of any size.
        """
        levels = self.levels(self.normalize(images))
        features = self.context(levels.pop())
        auxiliary = None
        for index, up in enumerate(self.ups):
            features = up(features, levels[-1 - index])
            if len(self.ups) - index == 3 and self.training:  # stride 8
                auxiliary = self.auxiliary(features)
        logits = self.classify(features)  # (B, K, H/2, W/2)
        size = images.shape[2:]
        return Raw(F.interpolate(logits, size=size, mode="bilinear", align_corners=False), auxiliary)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Features of normalized images at strides 2, 4, 8, 16 and, of the residual encoder, 32."""
        if self.backbone is None:
            levels = [F.relu_(self.stem(images))]  # (B, C, H/2, W/2), sides rounded up
            for stage in self.stages:
                levels.append(stage(levels[-1]))
            return levels
        return encoded.levels(self.backbone, images)

    def normalize(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> what the encoder takes, channels-last."""
        if self.config.channel_order == "BGR":
            images = images.flip(1)
        images = (images - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)


def begin_state(network: Portrait, other: nn.Module) -> dict[str, Tensor]:
    """Weights of the same network, or of the classifier that its encoder is of, as its beginning.

    Raises:
        OcellusError: another classifier, or pictures prepared otherwise. Exit code 2.
    """
    return other.state_dict() if isinstance(other, Portrait) else encoded.encoder_state(network, other)


def build(config: Config) -> Portrait:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check_dense(config)
    require(config.backbone in BACKBONES, config, "backbone", f"one of {', '.join(BACKBONES)}")
    require(config.norm in NORMS, config, "norm", f"one of {', '.join(NORMS)}")
    for field, count in (("widths", LEVELS + 1), ("blocks", LEVELS), ("decoder", LEVELS)):
        values = getattr(config, field)
        require(len(values) == count and min(values) >= 1, config, field, f"{count} numbers of 1 or more")
    return Portrait(config).to(memory_format=torch.channels_last)
