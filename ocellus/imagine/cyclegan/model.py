"""The four networks of CycleGAN (Zhu 2017, arXiv:1703.10593): two generators, and two that judge."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError, require
from ocellus.imagine.cyclegan.config import Config
from ocellus.nn.patchgan import PatchGAN
from ocellus.nn.translation import make_generator

WAYS = ("both", "forward")


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    pictures: Tensor  # (B, C', H, W) in [0, 1], of domain B
    others: Tensor | None = None  # (B', C, H', W') in [0, 1], of domain A, where pictures of B were given


class CycleGAN(nn.Module):
    """Both generators: what runs after training.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        require(config.channels >= 1, config, "channels", "1 or more")
        require(config.outputs >= 1, config, "outputs", "1 or more")
        require(config.ways in WAYS, config, "ways", f"one of {', '.join(WAYS)}")
        self.forth = make_generator(config, config.channels, config.outputs)
        self.back: nn.Module | None = None
        if config.ways == "both":
            self.back = make_generator(config, config.outputs, config.channels)

    @property
    def stride(self) -> int:
        """Pixels that the coarsest features make one of; other pictures are continued for the while."""
        return self.forth.stride

    def forward(self, images: Tensor, others: Tensor | None = None) -> Raw:
        """Pictures of B for (B, C, H, W) pictures of A in [0, 1], and of A for (B', C', H', W') of B."""
        made = self.forth(images)
        if others is None or self.back is None:
            return Raw(made)
        return Raw(made, self.back(others))


class Judges(nn.Module):
    """A discriminator of each domain. Called, it judges pictures of domain B; `.a` judges those of A.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.a, self.b = (
            PatchGAN(
                channels,
                width=config.discriminator_width,
                layers=config.discriminator_layers,
                norm=config.discriminator_norm,
                spectral=config.spectral,
            )
            for channels in (config.channels, config.outputs)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits of (B, C', H, W) pictures in [0, 1] for being of domain B."""
        logits: Tensor = self.b(images)
        return logits


def build(config: Config) -> CycleGAN:
    """The network that a Config describes.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """
    return CycleGAN(config)


def build_discriminator(config: Config) -> Judges:
    """What the generators are trained against."""
    return Judges(config)


def example(config: Config, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs for the network: (count, C, H, W) in [0, 1] of A, and of B where there is a way back."""
    side = max(config.short_side, 32)
    channels = (config.channels, config.outputs)[: 2 if config.ways == "both" else 1]
    return tuple(torch.rand(count, number, side, side) for number in channels)


def begin_state(network: CycleGAN, other: CycleGAN) -> dict[str, Tensor]:
    """The tensors of trained weights that a training may begin with.

    Raises:
        OcellusError: they have one generator alone.
    """
    if network.config.ways != other.config.ways:
        raise OcellusError(
            "the weights have a generator from A to B alone, training takes both ways: import both published "
            "generators into one file, with `ocellus import imagine/cyclegan G_A.pth --also G_B.pth`",
            exit_code=2,
        )
    return other.state_dict()
