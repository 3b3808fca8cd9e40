"""The image transform network: down, residual blocks, up (Johnson 2016, supplementary material, table 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.imagine.fast_style.config import Config
from ocellus.nn.patchgan import PatchGAN
from ocellus.nn.tiles import reflected

STRIDE = 4
LEAST = 32
"""Pixels that each side has at least inside the network: borders are mirrored at a quarter of the size."""
LEVELS = 255.0
"""The networks that are published take grey levels and give them back."""
REACH = 150.0
"""Of the tanh, in grey levels around the middle, so that black and white are well inside."""


class Raw(NamedTuple):
    """What the network puts out."""

    pictures: Tensor  # (B, 3, H, W) float32 in [0, 1]
    values: Tensor  # (B, 3, H, W) float32, before they are cut to that: what losses look at


class NormedLayer(nn.Module):
    """A convolution with its border, and instance normalization with a scale and a shift behind it.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the convolution.
        config: of the network.
        stride: 1, 2, or 0: the size is doubled.
        norm: whether there is a norm.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, config: Config, stride: int = 1, norm: bool = True
    ) -> None:
        super().__init__()
        self.stride, self.kernel = stride, kernel
        self.reflect = config.padding == "reflect"
        self.transposed = stride == 0 and config.upsampling == "transposed"
        conv = nn.ConvTranspose2d if self.transposed else nn.Conv2d
        self.conv = conv(
            inputs, outputs, kernel, stride=2 if self.transposed else stride or 1, bias=config.bias
        )
        self.norm: nn.Module = nn.Identity()
        if norm:
            # A group for each channel is instance normalization, and many times as fast on channels-last.
            self.norm = nn.GroupNorm(outputs, outputs, eps=config.norm_eps)

    def forward(self, features: Tensor) -> Tensor:
        if self.transposed:
            height, width = 2 * features.shape[2], 2 * features.shape[3]
            found: Tensor = self.norm(self.conv(features)[..., :height, :width])
            return found
        border = self.kernel // 2
        before = border if self.reflect else (self.kernel - max(self.stride, 1)) // 2  # SAME: less before
        sides = (before, border, before, border)
        # Neither reckons anything, so neither needs the digits that autocast would convert them to.
        with torch.autocast(features.device.type, enabled=False):
            if self.stride == 0:
                features = F.interpolate(features, scale_factor=2, mode="nearest")
            features = F.pad(features, sides, mode="reflect" if self.reflect else "constant")
        normed: Tensor = self.norm(self.conv(features))
        return normed


class Block(nn.Module):
    """Two 3x3 convolutions, added to what comes in; no ReLU behind the sum."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        self.first = NormedLayer(channels, channels, kernel=3, config=config)
        self.second = NormedLayer(channels, channels, kernel=3, config=config)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = features + self.second(F.relu(self.first(features)))
        return added


class FastStyle(nn.Module):
    """Paints pictures.

    Args:
        config: the network's settings; `build` checks them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.first = NormedLayer(3, w, kernel=config.kernel, config=config)
        self.downs = nn.ModuleList(
            NormedLayer(inputs, 2 * inputs, kernel=3, config=config, stride=2) for inputs in (w, 2 * w)
        )
        self.blocks = nn.ModuleList(Block(4 * w, config) for _ in range(config.blocks))
        self.ups = nn.ModuleList(
            NormedLayer(inputs, inputs // 2, kernel=3, config=config, stride=0) for inputs in (4 * w, 2 * w)
        )
        self.last = NormedLayer(w, 3, kernel=config.kernel, config=config, norm=config.last_norm)

    def forward(self, images: Tensor) -> Raw:
        """Painted pictures.

        Args:
            images: (B, 3, H, W) in [0, 1], of any size.
        """
        features = F.relu(self.first(whole(images * LEVELS)))
        for down in self.downs:
            features = F.relu(down(features))  # (B, 4w, H / 4, W / 4) at the end
        for block in self.blocks:
            features = block(features)
        for up in self.ups:
            features = F.relu(up(features))
        painted = self.last(features)[..., : images.shape[2], : images.shape[3]].float()
        if self.config.output == "tanh":
            painted = LEVELS / 2 + REACH * torch.tanh(painted)
        values = (painted / LEVELS).contiguous()
        return Raw(values.clamp(0, 1), values)


def whole(images: Tensor) -> Tensor:
    """(B, C, H, W) -> channels-last, mirrored below and to the right up to a multiple of 4."""
    height, width = (max(-(-side // STRIDE) * STRIDE, LEAST) for side in images.shape[2:])
    if (height, width) != tuple(images.shape[2:]):
        rows = reflected(0, height, images.shape[2]).to(images.device)
        columns = reflected(0, width, images.shape[3]).to(images.device)
        images = images[:, :, rows][..., columns]
    return images.contiguous(memory_format=torch.channels_last)


def build(config: Config) -> FastStyle:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    for field, allowed in (
        ("padding", ("reflect", "zero")),
        ("upsampling", ("nearest", "transposed")),
        ("output", ("tanh", "linear")),
    ):
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(allowed)}")
    require(config.width >= 1, config, "width", "1 or more")
    require(config.blocks >= 0, config, "blocks", "0 or more")
    require(config.kernel in (1, 3, 5, 7, 9, 11), config, "kernel", "an odd number of 1 to 11")
    require(config.norm_eps > 0, config, "norm_eps", "above 0")
    require(
        config.longest == 0 or config.longest >= LEAST, config, "longest", f"0, or {LEAST} pixels or more"
    )
    return FastStyle(config).to(memory_format=torch.channels_last)


def build_discriminator(config: Config) -> PatchGAN:
    """What tells patches of painted pictures from those of the style, in a training with an adversary.

    Its weights are divided by their largest singular value, which keeps it from knowing one picture by heart.

    Raises:
        OcellusError: a setting that it cannot have. Exit code 2.
    """
    return PatchGAN(
        3,
        width=config.discriminator_width,
        layers=config.discriminator_layers,
        norm="none",
        spectral=True,
    )


def example(config: Config, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs for `network(*inputs)`: (count, 3, 64, 64) in [0, 1]."""
    return (torch.rand(count, 3, 8 * STRIDE * 2, 8 * STRIDE * 2),)
