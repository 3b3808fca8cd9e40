"""What systems that turn a picture into another share: which generator, and the way to it and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.nn.dense import check_channels, resized_size, shrunk, window_of
from ocellus.nn.generators import GENERATOR_NORMS, ResidualGenerator, UnetGenerator
from ocellus.values import Picture

GENERATORS = ("unet", "resnet")
UPSAMPLINGS = ("transposed", "nearest")

MOST_DEPTH = 10  # a U-Net of 10 levels makes one pixel of 1024


class GeneratorConfig(Protocol):
    """The fields that the Config settings of systems with these generators share."""

    @property
    def generator(self) -> str:
        """unet or resnet."""

    @property
    def width(self) -> int:
        """Channels of the first convolution."""

    @property
    def depth(self) -> int:
        """Levels of a U-Net."""

    @property
    def blocks(self) -> int:
        """Residual blocks of a resnet."""

    @property
    def norm(self) -> str:
        """batch or instance."""

    @property
    def dropout(self) -> bool:
        """Whether values are dropped."""

    @property
    def dropout_first(self) -> int:
        """Innermost levels of a U-Net's decoder that come before those with dropout."""

    @property
    def upsampling(self) -> str:
        """transposed or nearest."""

    @property
    def short_side(self) -> int:
        """Pixels that the shorter side is resized to; 0: not resized."""


def make_generator(config: GeneratorConfig, channels: int, outputs: int) -> ResidualGenerator | UnetGenerator:
    """A fresh generator.

    Args:
        config: what kind and how large.
        channels: of the pictures that come in.
        outputs: of those that go out.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """
    require(config.generator in GENERATORS, config, "generator", f"one of {', '.join(GENERATORS)}")
    require(config.norm in GENERATOR_NORMS, config, "norm", f"one of {', '.join(GENERATOR_NORMS)}")
    require(config.upsampling in UPSAMPLINGS, config, "upsampling", f"one of {', '.join(UPSAMPLINGS)}")
    require(2 <= config.depth <= MOST_DEPTH, config, "depth", f"2 to {MOST_DEPTH}")
    for name, least in (("width", 1), ("blocks", 0), ("short_side", 0), ("dropout_first", 0)):
        require(getattr(config, name) >= least, config, name, f"{least} or more")
    if config.generator == "resnet":
        return ResidualGenerator(
            channels,
            outputs,
            width=config.width,
            blocks=config.blocks,
            norm=config.norm,
            dropout=config.dropout,
            upsampling=config.upsampling,
        )
    return UnetGenerator(
        channels,
        outputs,
        width=config.width,
        depth=config.depth,
        norm=config.norm,
        dropout=config.dropout,
        dropout_first=config.dropout_first,
        upsampling=config.upsampling,
    )


def as_seen(
    picture: Picture, *, channels: int, short_side: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(1, C, h, w) float32 in [0, 1]: a picture as a generator looks at it.

    Args:
        picture: of any size.
        channels: that the network takes.
        short_side: pixels that the shorter side is resized to; 0: not resized.
        device: where to.

    Raises:
        OcellusError: a picture of other channels.
    """
    check_channels(picture, channels)
    window = window_of(picture, channels, device=device)
    size = resized_size(picture.size, short_side)
    if size == picture.size:
        return window(0, size[0], 0, size[1])
    return shrunk(window, picture.size, size)


def translated(
    generate: Callable[[Tensor], Tensor],
    picture: Picture,
    *,
    channels: int,
    short_side: int,
    device: torch.device | str = "cpu",
) -> Picture:
    """What a generator makes of a picture, at the picture's own size.

    Args:
        generate: (1, C, h, w) in [0, 1] -> (1, C', h, w) in [0, 1].
        picture: of any size.
        channels: C.
        short_side: pixels of the shorter side that the generator looks at; 0: as large as the picture is.
            What it makes is brought back to the picture's size.
        device: where the generator is.

    Raises:
        OcellusError: a picture of other channels.
    """
    images = as_seen(picture, channels=channels, short_side=short_side, device=device)
    made = generate(images).float()
    if tuple(made.shape[2:]) != picture.size:
        smaller = made.shape[2] > picture.size[0]
        made = F.interpolate(made, size=picture.size, mode="bilinear", align_corners=False, antialias=smaller)
    return picture_of(made[0], path=picture.path)


def picture_of(image: Tensor, *, path: str | None = None) -> Picture:
    """A picture of (C, H, W) floats in [0, 1]; its own channels are kept where they are not 1 or 3."""
    image = image.detach().float().clamp(0, 1).cpu()
    shown = colors_of(image)
    pixels = (shown * 255).round().to(torch.uint8).contiguous()
    return Picture(pixels=pixels, path=path, channels=None if len(image) in (1, 3) else image)


def colors_of(image: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., 3, H, W): grey three times, two channels and a third of 0, the first three."""
    count = image.shape[-3]
    if count == 1:
        return image.expand(*image.shape[:-3], 3, *image.shape[-2:])
    if count == 2:
        return torch.cat([image, torch.zeros_like(image[..., :1, :, :])], dim=-3)
    return image[..., :3, :, :]
