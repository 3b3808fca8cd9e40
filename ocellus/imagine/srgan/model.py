"""SRResNet, which makes pictures larger, and the discriminator of SRGAN (Ledig 2017, figure 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.imagine.srgan.config import Config

ACTIVATIONS = ("prelu", "leaky_relu", "relu")
BASES = ("none", "nearest", "bilinear", "bicubic")
FACTORS = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
"""Enlargement, and the steps it is made of."""
VIEWS = (1, 2, 4, 8)


class Raw(NamedTuple):
    """What the network puts out."""

    pictures: Tensor  # (B, C, factor H, factor W) in [0, 1] but for what overshoots: not clamped


class Block(nn.Module):
    """x + conv(activation(conv(x))), a norm behind each convolution."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, bias = config.width, config.bias and config.norm == "none"
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.first_norm = norm_of(config)
        self.activation = activation_of(config.block_activation, slope=config.slope)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.second_norm = norm_of(config)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        inner = self.activation(self.first_norm(self.first(features)))
        answer: Tensor = features + self.second_norm(self.second(inner))
        return answer


class SRResNet(nn.Module):
    """A residual network at the small size, then pixel shuffles (section 2.1.1, figure 4).

    Args:
        config: of the network.

    Raises:
        OcellusError: settings that cannot be. Exit code 2.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        check(config)
        self.config = config
        width, edge = config.width, config.kernel // 2
        self.first = nn.Conv2d(config.channels, width, config.kernel, padding=edge, bias=config.bias)
        self.activation = activation_of(config.activation, slope=config.slope)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        plain = config.norm == "none"
        self.middle = (
            nn.Conv2d(width, width, 3, padding=1, bias=config.bias and plain) if config.skip else None
        )
        self.middle_norm = norm_of(config) if config.skip else None
        self.steps, self.step_activations = nn.ModuleList(), nn.ModuleList()
        direct = config.upsampling == "direct"
        for step in () if direct else FACTORS[config.factor]:
            conv = nn.Conv2d(width, width * step * step, 3, padding=1, bias=config.bias)
            begin_as_nearest(conv, step)
            self.steps.append(conv)
            self.step_activations.append(activation_of(config.activation, slope=config.slope))
        self.before_last = nn.Conv2d(width, width, 3, padding=1, bias=config.bias) if config.last else None
        self.before_last_activation = (
            activation_of(config.activation, slope=config.slope) if config.last else None
        )
        outputs = config.channels * (config.factor**2 if direct else 1)
        self.last = nn.Conv2d(width, outputs, config.kernel, padding=edge, bias=config.bias)
        if direct:
            begin_as_nearest(self.last, config.factor)
        if config.base != "none":
            for parameter in self.last.parameters():
                nn.init.zeros_(parameter)  # it begins as plain enlargement

    @property
    def reach(self) -> int:
        """Pixels of the small picture on which an answer depends, to each side, but for norms' means."""
        edge = self.config.kernel // 2
        inside = 2 * self.config.blocks + int(self.config.skip)
        if self.config.upsampling == "direct":
            return max(2 * edge + inside, 2)
        return edge + inside + 2 + int(self.config.last) + edge  # more than that at the larger sizes

    def forward(self, images: Tensor) -> Raw:
        """Larger pictures.

        Args:
            images: (B, C, H, W) in [0, 1], any H and W.
        """
        features = images.contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
        features = self.activation(self.first(features))
        held = features
        for block in self.blocks:
            features = block(features)
        if self.middle is not None and self.middle_norm is not None:
            features = held + self.middle_norm(self.middle(features))
        for conv, activation in zip(self.steps, self.step_activations, strict=True):
            step = int((conv.out_channels // self.config.width) ** 0.5)  # type: ignore[operator]
            features = activation(F.pixel_shuffle(conv(features), step))
        if self.before_last is not None and self.before_last_activation is not None:
            features = self.before_last_activation(self.before_last(features))
        pictures = self.last(features)
        if self.config.upsampling == "direct":
            pictures = F.pixel_shuffle(pictures, self.config.factor)  # (B, C, factor H, factor W)
        if self.config.signed:
            pictures = (pictures + 1) / 2
        if self.config.base != "none":
            pictures = enlarged(images, self.config.factor, mode=self.config.base) + pictures.float()
        return Raw(pictures)


class Discriminator(nn.Module):
    """Tells true pictures from enlarged ones (figure 4): strides 1 and 2 in turn, then two linear layers.

    Args:
        config: `discriminator_width`, `discriminator_side`, `discriminator_kernel`, `signed`, `channels`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        check(config)
        self.config = config
        width = config.discriminator_width
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = config.channels
        for level in range(4):
            outputs = width * 2**level
            for stride in (1, 2):
                kernel = 3 if stride == 1 else config.discriminator_kernel
                conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False)
                self.convs.append(conv)
                self.norms.append(nn.BatchNorm2d(outputs) if len(self.norms) else nn.Identity())
                inputs = outputs
        places = (config.discriminator_side // 16) ** 2 or 1
        self.first_linear = nn.Linear(inputs * places, 16 * width)
        self.last_linear = nn.Linear(16 * width, 1)

    def features(self, images: Tensor) -> Tensor:
        """(B, 8 width, H / 16, W / 16) of (B, C, H, W) pictures in [0, 1]."""
        features = images * 2 - 1 if self.config.signed else images
        features = features.contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = F.leaky_relu(norm(conv(features)), 0.2)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1) of (B, C, H, W) pictures in [0, 1]; above 0 speaks for true.

        H and W are `discriminator_side` where that is not 0.
        """
        features = self.features(images)
        if not self.config.discriminator_side:
            features = features.mean(dim=(2, 3), keepdim=True)
        hidden = F.leaky_relu(self.first_linear(features.flatten(1)), 0.2)
        logits: Tensor = self.last_linear(hidden)
        return logits


def enlarged(images: Tensor, factor: int, *, mode: str) -> Tensor:
    """Pictures made larger without learning, (B, C, factor H, factor W) of (B, C, H, W).

    Args:
        images: (B, C, H, W).
        factor: how many times.
        mode: nearest, bilinear or bicubic.
    """
    if mode == "nearest":
        return F.interpolate(images, scale_factor=factor, mode="nearest")
    return F.interpolate(images, scale_factor=factor, mode=mode, align_corners=False)


def begin_as_nearest(conv: nn.Conv2d, factor: int) -> None:
    """Begin a convolution before a pixel shuffle so that the factor² pixels it gives are the same.

    Different random filters leave a checkerboard that training hardly removes (Aitken 2017, arXiv:1707.02937,
    "ICNR").
    """
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: factor * factor].repeat_interleave(factor * factor, 0))
        if conv.bias is not None:
            conv.bias.copy_(conv.bias[:: factor * factor].repeat_interleave(factor * factor, 0))


def norm_of(config: Config) -> nn.Module:
    """The norm behind a convolution of the blocks."""
    if config.norm == "batch":
        return nn.BatchNorm2d(config.width)
    return nn.InstanceNorm2d(config.width, affine=True) if config.norm == "instance" else nn.Identity()


def activation_of(name: str, *, slope: float) -> nn.Module:
    """An activation by its name."""
    if name == "prelu":
        return nn.PReLU(init=slope)
    return nn.LeakyReLU(slope) if name == "leaky_relu" else nn.ReLU()


def check(config: Config) -> None:
    """See that the settings can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(config.factor in FACTORS, config, "factor", "one of 2, 3, 4, 8")
    for field in ("channels", "width", "discriminator_width"):
        require(getattr(config, field) >= 1, config, field, "1 or more")
    require(config.blocks >= 0, config, "blocks", "0 or more")
    require(config.norm in ("batch", "instance", "none"), config, "norm", "one of batch, instance, none")
    for field in ("activation", "block_activation"):
        require(getattr(config, field) in ACTIVATIONS, config, field, f"one of {', '.join(ACTIVATIONS)}")
    require(config.kernel % 2 == 1, config, "kernel", "odd")
    require(config.upsampling in ("steps", "direct"), config, "upsampling", "one of steps, direct")
    require(
        not config.last or config.upsampling == "steps", config, "last", "False where upsampling is direct"
    )
    require(config.base in BASES, config, "base", f"one of {', '.join(BASES)}")
    side = config.discriminator_side
    require(side >= 0 and side % 16 == 0, config, "discriminator_side", "0 or a multiple of 16")
    require(config.discriminator_kernel in (3, 4), config, "discriminator_kernel", "3 or 4")
    require(config.views in VIEWS, config, "views", "1, 2, 4 or 8")


def build(config: Config) -> SRResNet:
    """The network that a Config describes."""
    return SRResNet(config).to(memory_format=torch.channels_last)


def build_discriminator(config: Config) -> Discriminator:
    """What it is trained against, where the loss is adversarial."""
    return Discriminator(config).to(memory_format=torch.channels_last)


def example(config: Config, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs for the network: small pictures."""
    return (torch.rand(count, config.channels, 24, 20),)
