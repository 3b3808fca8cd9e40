"""Colorization's settings. Standard library only."""

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

    head: str = "bins"
    """bins: a distribution over 313 colours (Zhang 2016); regression: a and b themselves, as pix2pix does."""
    width: int = 64
    """Channels of the first stage; the others have 2, 4 and 8 times as many."""
    norm: str = "batch"
    """Normalization behind each stage: batch or none."""
    discriminator_width: int = 32
    """Channels of the discriminator's first convolution, where the loss is adversarial."""
    discriminator_layers: int = 3
    """Its convolutions of stride 2: patches of 70 pixels; 2: of 34."""
    temperature: float = 0.38
    """How a distribution becomes one colour: 1 is its mean, dull; near 0 its peak, blotchy."""
    short_side: int = 256
    """The network looks at a picture of this shorter side, and its colours are enlarged; 0: at all of it."""


PREPROCESSING = ("temperature", "short_side")
"""The fields of Config that say how a picture reaches the network, and what is made of its answer."""


@dataclass(frozen=True)
class Run:
    """Options of a single use."""

    annealing: float = 0.0
    """Temperature of the colours' distribution, above 0 to 1; 0: as the weights say."""


RUN = Run()


@dataclass(frozen=True)
class Train:
    """The recipe: losses, and how pictures are varied."""

    rebalance: float = 0.5
    """How much rare colours count more: 1 not at all, 0 by as much as they are rarer (lambda of equation 4).
    Of the head "bins"."""
    neighbours: int = 5
    """Bins that a true colour is spread over."""
    sigma: float = 5.0
    """Of the Gaussian by which it is spread, in ab."""
    distance: str = "l1"
    """Loss of the head "regression": l1 or mse, of a and b divided by 110."""
    distance_weight: float = 100.0
    """Its weight."""
    adversarial: float = 0.0
    """Weight of the adversarial loss; 0: no discriminator."""
    game: str = "nonsaturating"
    """What the two networks play: nonsaturating, minmax, hinge or lsgan."""
    monitor: str = "accuracy"
    """The figure that decides which weights are best: accuracy, balanced_accuracy (areas under the curve) or
    psnr (of a and b)."""
    load: int = 0
    """Pictures are first resized so that the shorter side has this many pixels; 0: not resized."""
    crop: int = 176
    """Side of a random square crop."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""


FIT = Fit(
    steps=450_000, batch_size=40, learning_rate=3e-5, weight_decay=1e-3, schedule="multistep",
    warmup_steps=0, clip=0.0, validate_every=5000,
)  # fmt: skip

PAPER = Config()

SMALL = Config(width=16, short_side=144)
SMALL_TRAIN = Train(load=144, crop=128)
SMALL_FIT = Fit(
    steps=4000, batch_size=16, learning_rate=2e-3, weight_decay=0.01, clip=5.0, ema=0.995, validate_every=500
)

TINY = Config(width=4, norm="none", discriminator_width=4, discriminator_layers=1, short_side=32)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "regression": (replace(SMALL, head="regression"), replace(SMALL_TRAIN, monitor="psnr"), SMALL_FIT),
    "gan": (
        replace(SMALL, head="regression"),
        replace(SMALL_TRAIN, adversarial=1.0, monitor="psnr"),
        replace(SMALL_FIT, learning_rate=5e-4),
    ),
    "paper": (PAPER, Train(load=256), FIT),
    "tiny": (TINY, Train(load=0, crop=32), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU), regression and gan (the same network, as pix2pix does:
L1 alone, and with an adversary), paper, tiny."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings, which do not depend on the data.

    Args:
        config: as asked for.
        data: to train on.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: there are no pictures.
    """
    if not len(data):
        raise OcellusError(f"{data.root} has no pictures: give a folder of photographs in colour")
    return config
