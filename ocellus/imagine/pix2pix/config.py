"""pix2pix's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are the published network."""

    generator: str = "unet"
    """unet, or resnet: residual blocks at a quarter of the size."""
    channels: int = 3
    """Channels of the condition."""
    outputs: int = 3
    """Channels of the answer."""
    width: int = 64
    """Channels of the first convolution."""
    depth: int = 8
    """How often the U-Net halves the resolution: 8 for pictures of 256 pixels, 7 for 128."""
    blocks: int = 9
    """Residual blocks of the resnet."""
    norm: str = "batch"
    """Normalization: batch or instance."""
    dropout: bool = True
    """Drop values in three levels of the decoder (in each block of the resnet): the noise of the paper."""
    dropout_first: int = 0
    """Innermost levels of the U-Net's decoder that come before those three: 0 as published, 1 in the authors'
    PyTorch port."""
    upsampling: str = "transposed"
    """transposed: transposed convolutions, as published; nearest: each value doubled, then a 3x3 convolution,
    which leaves no pattern of two pixels."""
    discriminator_width: int = 64
    """Channels of the discriminator's first convolution."""
    discriminator_layers: int = 3
    """Its convolutions of stride 2: patches of 70 pixels; 2: of 34, 4: of 142."""
    discriminator_norm: str = "batch"
    """Its normalization: batch, instance or none."""
    spectral: bool = False
    """Divide its weights by their largest singular value."""
    direction: str = "forward"
    """forward: of the left picture, or of A, the right one is made, or B; backward: the other way round."""
    condition: str = ""
    """What is made of plain pictures so that there are pairs: edges, grey, blur, noise, jpeg, or several
    joined by +; empty: the data are pairs."""
    short_side: int = 256
    """Pictures are resized so that the shorter side has this many pixels, and the answer back; 0: not."""


PREPROCESSING = ("short_side",)
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Run:
    """Options of a single use."""

    noise: bool = True
    """Drop values and normalize by the picture's own statistics, as in training and as published; False:
    neither, the statistics are those gathered in training, and the answer is always the same."""
    seed: int = 0
    """Of what is dropped."""
    from_picture: bool = False
    """The source is what the answer should look like: the condition is first made of it, as in training."""


RUN = Run()


@dataclass(frozen=True)
class Train:
    """The recipe: the losses, and how pairs are varied."""

    loss: str = "both"
    """both, l1 (no discriminator) or gan (no pixels are compared)."""
    l1_weight: float = 100.0
    """Weight of the mean absolute difference, of pictures in [-1, 1]."""
    game: str = "nonsaturating"
    """What the two networks play: nonsaturating, minmax, hinge or lsgan."""
    discriminator_weight: float = 0.5
    """Factor on the discriminator's loss, which slows it down."""
    momentum: float = 0.5
    """Of both optimizers' mean gradient: beta 1 of Adam."""
    monitor: str = "swd"
    """The figure that decides which weights are best: swd (the distance of the patches of all answers from
    those of all true pictures, by scale), l1 or ssim."""
    load: int = 286
    """Pairs are first resized so that the shorter side has this many pixels; 0: not."""
    crop: int = 256
    """Side of the random square that is cut out of both; 0: the whole."""
    flip: float = 0.5
    """Chance of a left-right mirrored pair."""
    turn: float = 0.0
    """Chance of a quarter turn."""


FIT = Fit(
    epochs=200, batch_size=1, learning_rate=2e-4, weight_decay=0.0, schedule="linear", warmup_steps=0,
    clip=0.0, validate_every=10_000,
)  # fmt: skip

PAPER = Config()

TINY = Config(width=4, depth=5, discriminator_width=4, discriminator_layers=1, short_side=32)

SMALL = Config(width=22, depth=7, upsampling="nearest", discriminator_width=22, short_side=128)
SMALL_TRAIN = Train(load=143, crop=128)
SMALL_FIT = replace(
    FIT,
    epochs=12.0,
    steps=1000,
    batch_size=4,
    learning_rate=4e-4,
    schedule="constant",
    validate_every=500,
    ema=0.998,
)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "edges": (replace(SMALL, condition="edges", channels=1), SMALL_TRAIN, SMALL_FIT),
    "paper": (PAPER, Train(), FIT),
    "tiny": (TINY, Train(load=36, crop=32), Fit(steps=20, batch_size=2, warmup_steps=0, learning_rate=1e-3)),
}
"""What `ocellus train` can begin with: small (a CPU, 128 pixels), edges (the same, from plain pictures),
paper, tiny (for the machinery)."""


def view(config: Config) -> str:
    """As what a data set is read: "pairs", or "pictures" where the condition is made of them."""
    return "pictures" if config.condition else "pairs"


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set.

    Args:
        config: as asked for.
        data: to train on, of pairs; of pictures where there is a `condition`.
        pretrained: training begins with weights that were trained before; makes no difference here.

    Raises:
        OcellusError: data of another kind, pictures of other channels, or no such condition.
    """
    from ocellus.data.images import read_picture

    if config.condition:
        check_condition(config)
    wanted = view(config)
    if data.view != wanted:
        hint = "leave --condition out" if data.view == "pairs" else f'ocellus.read(path, view="{wanted}")'
        raise OcellusError(f"{data.root} was read as {data.view}, wanted are {wanted}: {hint}", exit_code=2)
    first = next((record for _, record in data.records()), None)
    if first is None:
        return config
    if first.pair is None:
        read_picture(first.image, channels=config.outputs)
        return config
    channels = (config.channels, config.outputs)
    first.pair(channels=channels if config.direction == "forward" else channels[::-1])
    return config


def check_condition(config: Config) -> None:
    """See that what is made of pictures has the channels that the network looks at.

    Raises:
        OcellusError: no such condition, or it has others. Exit code 2.
    """
    import numpy as np
    import torch

    from ocellus.data.degradations import named

    make = named(config.condition, channels=config.channels)
    made = len(make(torch.zeros(config.outputs, 16, 16), np.random.default_rng(0)))
    if made != config.channels:
        raise OcellusError(
            f"--condition {config.condition} of pictures of {config.outputs} channels has {made}, and the "
            f"network looks at {config.channels}: give --channels {made}",
            exit_code=2,
        )
