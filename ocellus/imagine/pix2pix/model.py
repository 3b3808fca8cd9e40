"""The two networks of pix2pix (Isola 2017, arXiv:1611.07004): a generator, and what judges it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError, require
from ocellus.imagine.pix2pix.config import Config
from ocellus.nn.patchgan import PatchGAN
from ocellus.nn.translation import make_generator

DIRECTIONS = ("forward", "backward")


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    pictures: Tensor  # (B, C', H, W) in [0, 1]


class Pix2Pix(nn.Module):
    """The generator: what runs after training.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        require(config.channels >= 1, config, "channels", "1 or more")
        require(config.outputs >= 1, config, "outputs", "1 or more")
        require(config.direction in DIRECTIONS, config, "direction", f"one of {', '.join(DIRECTIONS)}")
        both = not config.condition or config.direction == "forward"
        require(
            both,
            config,
            "direction",
            f"forward where the condition, {config.condition}, is made of the answer",
        )
        self.generator = make_generator(config, config.channels, config.outputs)

    @property
    def stride(self) -> int:
        """Pixels that the coarsest features make one of; other pictures are continued for the while."""
        return self.generator.stride

    def forward(self, images: Tensor) -> Raw:
        """Answers to (B, C, H, W) conditions in [0, 1], of any size and of theirs."""
        return Raw(self.generator(images))


def build(config: Config) -> Pix2Pix:
    """The network that a Config describes.

    Raises:
        OcellusError: a setting that cannot be. Exit code 2.
    """
    return Pix2Pix(config)


def build_discriminator(config: Config) -> PatchGAN:
    """What the generator is trained against; it judges a condition and an answer laid on each other.

    Its input has the condition's channels first, then the answer's: see `paired`.
    """
    return PatchGAN(
        config.channels + config.outputs,
        width=config.discriminator_width,
        layers=config.discriminator_layers,
        norm=config.discriminator_norm,
        spectral=config.spectral,
    )


def paired(inputs: Tensor, answers: Tensor) -> Tensor:
    """(B, C + C', H, W) of conditions (B, C, H, W) and answers (B, C', H, W): what the discriminator sees."""
    return torch.cat([inputs, answers], dim=1)


def example(config: Config, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs for the network: (count, C, H, W) in [0, 1], noise of a size that it takes as it is."""
    side = max(config.short_side, 32)
    return (torch.rand(count, config.channels, side, side),)


def begin_state(network: Pix2Pix, other: Pix2Pix) -> dict[str, Tensor]:
    """The tensors of trained weights that a training may begin with.

    Raises:
        OcellusError: they were trained in the other direction, or for conditions of another kind.
    """
    for field in ("direction", "condition"):
        wanted, given = getattr(network.config, field), getattr(other.config, field)
        if wanted != given:
            raise OcellusError(
                f"the weights were trained with {field} {given or 'of pairs'!r}, this training is of "
                f"{wanted or 'pairs'!r}: give --{field} {given or chr(39) * 2}, or other weights",
                exit_code=2,
            )
    return other.state_dict()
