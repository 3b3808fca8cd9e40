"""The conditional GAN's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The two networks. The defaults are the light ones, for drawings of 28 pixels."""

    classes: int = 3
    """Number of classes; training takes it from the data."""
    channels: int = 1
    """Channels of the pictures: 1 for drawings and grey, 3 for RGB."""
    side: int = 28
    """Side of the square pictures in pixels: 4, 5, 6 or 7 times a power of two, like 28, 32 and 64."""
    architecture: str = "light"
    """light (nearest-neighbour enlarging and 3x3 convolutions), dcgan (transposed convolutions, as published)
    or dense (linear layers, as first published)."""
    condition: str = "projection"
    """How a class enters: none, concat (one-hot beside noise and picture), embedding (a learned code beside
    them), or projection (a learned code and class-conditional norms; the discriminator's features times a
    learned vector)."""
    noise: int = 64
    """Numbers of noise that a picture is made from; 0: none, then each class has one picture."""
    embedding: int = 32
    """Numbers of a class's learned code beside the noise."""
    width: int = 32
    """Channels of the generator's last stage; of dense a sixth of the units of its last hidden layer."""
    discriminator_width: int = 48
    """Channels of the discriminator's first stage; of dense a fifth of its units."""
    blocks: int = 1
    """Residual blocks of two 3x3 convolutions at each size, in both networks of light."""
    spectral: bool = True
    """The discriminator's weights are divided by their largest singular value, instead of batch norm."""
    compares: bool = True
    """The discriminator of light is told how much the pictures of a batch and class differ."""
    dropout: float = 0.0
    """Share of the hidden units that are dropped in training, of dense."""


PREPROCESSING: tuple[str, ...] = ()
"""No picture goes in."""


@dataclass(frozen=True)
class Train:
    """The recipe: what is minimized, how pictures are varied, what decides which weights are best."""

    loss: str = "hinge"
    """minmax, nonsaturating, hinge or lsgan."""
    r1: float = 0.0
    """γ of the penalty on the discriminator's gradient at real pictures, γ / 2 · |∇D|²; 0: none."""
    r1_every: int = 16
    """Steps between penalties, each of which then counts so many times."""
    discriminator_rate: float = 2.0
    """Learning rate of the discriminator as a multiple of the generator's."""
    beta1: float = 0.0
    """Adam's decay of the mean gradient."""
    beta2: float = 0.99
    """Adam's decay of the mean squared gradient."""
    flip: float = 0.5
    """Chance of a left-right mirrored real picture."""
    augment: float = 0.9
    """Chance that what the discriminator sees, real or generated, is moved, turned and scaled; 0: never."""
    shift: float = 0.125
    """Largest such move to each side, as a share of the side."""
    turn: float = 15.0
    """Largest such turn to either side, in degrees."""
    scale: float = 0.15
    """Largest such change of size, as a share."""
    monitor: str = "sliced_wasserstein"
    """Which figure decides: sliced_wasserstein, diversity_error, or with a judge kid or top1."""
    judge: str = ""
    """A weights file of see/classifier that validation measures with; empty: none."""
    measured: int = 200
    """Pictures of each class that a validation generates."""


@dataclass(frozen=True)
class Run:
    """Options of generation that are not of the weights."""

    count: int = 16
    """Pictures of each class, or steps of an interpolation."""
    seed: int = 0
    """Of the noise: the same seed gives the same pictures."""
    truncation: float = 0.0
    """Noise is squeezed into ± this many standard deviations: more typical, less diverse; 0: as it is."""
    interpolate: str = ""
    """latent: from one noise to the next, with the class as it is. class: from the class to the one that
    `toward` names, with the noise as it is. Empty: separate pictures."""
    toward: str = ""
    """The class that an interpolation of classes ends at; empty: the next one."""


FIT = Fit(
    steps=10_000,
    batch_size=64,
    optimizer="adamw",
    learning_rate=3e-4,
    weight_decay=0.0,
    schedule="cosine",
    warmup_steps=0,
    clip=0.0,
    ema=0.999,
    validate_every=1000,
    log_every=50,
)
DCGAN_FIT = replace(
    FIT,
    epochs=25,
    steps=0,
    batch_size=128,
    learning_rate=2e-4,
    schedule="constant",
    ema=0.0,
    validate_every=0,
)
PUBLISHED = Train(loss="nonsaturating", discriminator_rate=1.0, beta1=0.5, beta2=0.999, flip=0.0, augment=0.0)

PAPER = Config(
    architecture="dense",
    condition="concat",
    classes=10,
    noise=100,
    width=200,
    discriminator_width=48,
    blocks=0,
    spectral=False,
    dropout=0.5,
)
"""Mirza 2014, section 4.1."""

DCGAN = Config(
    architecture="dcgan",
    condition="concat",
    noise=100,
    width=64,
    discriminator_width=64,
    blocks=0,
    spectral=False,
)

TINY = Config(
    classes=2, side=16, condition="projection", noise=4, embedding=4, width=4, discriminator_width=4, blocks=0
)

PRESETS = {
    "small": (Config(), Train(), FIT),
    "large": (Config(side=64, channels=3, width=24, discriminator_width=48), Train(), FIT),
    "dcgan": (DCGAN, PUBLISHED, DCGAN_FIT),
    "paper": (PAPER, replace(PUBLISHED, loss="minmax"), replace(DCGAN_FIT, epochs=100, batch_size=100)),
    "tiny": (TINY, Train(measured=8), replace(FIT, steps=20, batch_size=4, validate_every=0, ema=0.9)),
}
"""What `ocellus train` can begin with: small (drawings of 28 pixels on a CPU), large (64 pixels in color),
dcgan and paper as published, tiny (for the machinery)."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and pictures.

    Args:
        config: as asked for.
        data: to train on, with a class for each picture.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: no classes of pictures, a class without pictures to train on, or pictures of other
            channels.
    """
    from ocellus.data.images import read_picture

    if data.view != "labels":
        raise OcellusError(
            f"{data.root} does not say what each picture shows as a whole: read it with view='labels'"
        )
    records = data.splits.get("train", ())
    there = {record.label for record in records}
    if bare := [name for label, name in enumerate(data.labels) if label not in there]:
        raise OcellusError(
            f"{data.root} has no pictures of {', '.join(bare)} to train on: add some, or take the class out"
        )
    if records:
        read_picture(records[0].image, channels=config.channels)
    return replace(config, classes=len(data.labels))
