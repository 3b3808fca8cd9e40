"""CycleGAN's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The networks, and how a picture reaches them. The defaults are the published ones."""

    generator: str = "resnet"
    """resnet (residual blocks at a quarter of the size), or unet."""
    channels: int = 3
    """Channels of the pictures of domain A."""
    outputs: int = 3
    """Channels of the pictures of domain B."""
    width: int = 64
    """Channels of a generator's first convolution."""
    blocks: int = 9
    """Residual blocks: 9 for pictures of 256 pixels, 6 for 128."""
    depth: int = 8
    """How often a U-Net halves the resolution: 8 for pictures of 256 pixels."""
    norm: str = "instance"
    """Normalization: instance or batch."""
    dropout: bool = False
    """Drop values in the generators while they learn."""
    dropout_first: int = 0
    """Of a U-Net: innermost levels of the decoder that come before the three with dropout."""
    upsampling: str = "transposed"
    """transposed: transposed convolutions, as published; nearest: each value doubled, then a 3x3 convolution,
    which leaves no pattern of two pixels."""
    ways: str = "both"
    """both: a generator from A to B and one from B to A; forward: the first alone, as published checkpoints
    have it. Training takes both."""
    discriminator_width: int = 64
    """Channels of a discriminator's first convolution."""
    discriminator_layers: int = 3
    """Its convolutions of stride 2: patches of 70 pixels; 2: of 34, 4: of 142."""
    discriminator_norm: str = "instance"
    """Its normalization: instance, batch or none."""
    spectral: bool = False
    """Divide its weights by their largest singular value."""
    short_side: int = 256
    """Pictures are resized so that the shorter side has this many pixels, and the answer back; 0: not."""


PREPROCESSING = ("short_side",)
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Run:
    """Options of a single use."""

    direction: str = "forward"
    """forward: from A to B; backward: from B to A; or the name of the domain that is to come out."""
    back: bool = False
    """Show the way there and back side by side: the picture, what is made of it, what is made of that, and
    how far this is from the picture (white where nothing differs)."""


RUN = Run()


@dataclass(frozen=True)
class Train:
    """The recipe: the losses, and how pictures are varied."""

    cycle: float = 10.0
    """Weight of the mean absolute difference between a picture and its way there and back, in [-1, 1]; 0: the
    domains are matched as heaps only."""
    identity: float = 5.0
    """Weight of the mean absolute difference that a generator makes of a picture that is already of its
    target domain; half the cycle's as published; 0: none."""
    game: str = "lsgan"
    """What the networks play: lsgan, nonsaturating, minmax or hinge."""
    discriminator_weight: float = 0.5
    """Factor on the discriminators' losses, which slows them down."""
    pool: int = 50
    """Made pictures of either domain that are kept to be shown to its discriminator again; 0: none."""
    momentum: float = 0.5
    """Of both optimizers' mean gradient: beta 1 of Adam."""
    monitor: str = "swd"
    """The figure that decides which weights are best: swd (the distance of the patches of what is made from
    those of true pictures, by scale, mean of both ways) or cycle (the error there and back)."""
    load: int = 286
    """Pictures are first resized so that the shorter side has this many pixels; 0: not."""
    crop: int = 256
    """Side of the random square that is cut out; 0: the whole."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    turn: float = 0.0
    """Chance of a quarter turn."""


FIT = Fit(
    epochs=200, batch_size=1, learning_rate=2e-4, weight_decay=0.0, schedule="linear", warmup_steps=0,
    clip=0.0, validate_every=10_000,
)  # fmt: skip

PAPER = Config()

TINY = Config(width=4, blocks=1, discriminator_width=4, discriminator_layers=1, short_side=32)

SMALL = Config(width=16, blocks=4, discriminator_width=24, short_side=128)
SMALL_FIT = replace(FIT, steps=3500, learning_rate=4e-4, validate_every=1000, ema=0.99)

PRESETS = {
    "small": (SMALL, Train(load=143, crop=128), SMALL_FIT),
    "paper": (PAPER, Train(), FIT),
    "tiny": (
        TINY,
        Train(load=36, crop=32, pool=3),
        Fit(steps=20, batch_size=1, warmup_steps=0, learning_rate=1e-3),
    ),
}
"""What `ocellus train` can begin with: small (a CPU, 128 pixels), paper, tiny (for the machinery)."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set.

    Args:
        config: as asked for.
        data: to train on, pictures of two domains.
        pretrained: training begins with weights that were trained before; makes no difference here.

    Raises:
        OcellusError: data of another kind, pictures of other channels, a domain without pictures, or a
            network of one way alone. Exit code 2 where the settings are at fault.
    """
    from ocellus.data.picture_examples import read_one

    if config.ways != "both":
        raise OcellusError(
            f"--ways {config.ways}: training takes both; of published checkpoints import both generators",
            exit_code=2,
        )
    if data.view != "domains":
        raise OcellusError(
            f"{data.root} was read as {data.view}, wanted are two domains: "
            'ocellus.read(path, view="domains")',
            exit_code=2,
        )
    if config.channels != config.outputs:
        raise OcellusError(
            f"--channels {config.channels} and --outputs {config.outputs}: both domains are trained with "
            "pictures of as many channels",
            exit_code=2,
        )
    for label, channels in enumerate((config.channels, config.outputs)):
        first = next((record for _, record in data.records() if record.label == label), None)
        if first is None:
            raise OcellusError(f"{data.root} has no pictures of the domain {data.labels.names[label]}")
        read_one(first, channels)
    return config
