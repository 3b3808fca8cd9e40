"""SCOUTER's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.training.beginning import for_labels, refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset

BEGINNINGS = ("see/classifier",)
"""Systems whose weights a training can begin with, besides its own."""

SIGNS = {"why": 1.0, "why_not": -1.0}
"""The e of the paper, by what the slots say."""


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it."""

    classes: int = 100
    """Number of classes; training takes it from the data."""
    channels: int = 3
    """Channels of the pictures: 3 for RGB, 1 for grey and drawings, or as many as the files have."""
    says: str = "why"
    """why: a slot attends to what speaks for its class (the paper's positive explanation, e = 1); why_not: to
    what speaks against it (negative, e = -1)."""
    slots: int = 1
    """Slots of each class; their scores are added up."""
    hidden: int = 64
    """Channels of the slots and of the features that they attend to."""
    iterations: int = 3
    """How often the slots look; each time but the last they take in what they found."""
    architecture: str = "resnet"
    """What makes the features: resnet, cifar_resnet (pictures of 32 pixels), or small: a light one for
    training from scratch on a CPU."""
    depth: int = 0
    """Layers of resnet (18, 34, 50, 101) or cifar_resnet (20, 32, 44, 56, 110); 0: 50 and 20."""
    width: int = 0
    """Channels of the first stage; 0: as published."""
    stride: int = 32
    """Pixels from one cell of the attention to the next: 32, 16 or 8 of resnet and small; 4, 2 or 1 of
    cifar_resnet, whose coarser stages are left out."""
    norm: str = "batch"
    """Normalization: batch, group, or frozen (statistics fixed)."""
    norm_eps: float = 1e-5
    """Added to the norms' variance."""
    short_side: int = 260
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    crop: int = 260
    """Side of the square in the middle that is looked at; 0: the whole picture."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from each channel of pictures in [0, 1]; one number: from every channel."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Each channel is divided by this; one number: every channel."""


PREPROCESSING = ("short_side", "crop", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: what is minimized, and how pictures are varied."""

    area_loss: float = 1.0
    """Weight of the attended share of the places: the paper's lambda. More makes smaller explanations."""
    area_power: float = 1.0
    """The share is raised to this power first; above 1, small shares cost less."""
    label_smoothing: float = 0.0
    """Share of the truth that is spread over all classes (Szegedy 2015, arXiv:1512.00567, section 7)."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    flip_vertical: float = 0.0
    """Chance of an upside-down picture; for subjects without an up, like cells."""
    turn: float = 0.0
    """Chance of a quarter turn."""
    area_low: float = 0.35
    """Smallest share of the picture that a random crop takes."""
    area_high: float = 1.0
    """Largest share."""
    aspect: float = 1.3333
    """Most that a random crop is wider than high, or the reverse, before it is made square."""
    color: float = 0.0
    """Strength of random brightness, contrast and saturation, 0 to 1."""


@dataclass(frozen=True)
class Explain:
    """What `ocellus explain scouter` shows."""

    slot: int = -1
    """Which of the class's slots, from 0; -1: the mean of all of them."""


FIT = Fit(epochs=20, batch_size=70, optimizer="adamw", learning_rate=1e-4, schedule="constant")

PAPER = Config()
PAPER_TRAIN = Train(area_loss=10.0)

SMALL = Config(architecture="small", stride=16, short_side=144, crop=128)
SMALL_TRAIN = Train(color=0.4)
SMALL_FIT = Fit(
    epochs=30, batch_size=32, optimizer="adamw", learning_rate=2e-3, weight_decay=0.05, ema=0.995, clip=5.0
)

THUMBNAILS = Config(architecture="cifar_resnet", stride=2, short_side=28, crop=28, mean=(0.2,), std=(0.3,))
THUMBNAILS_TRAIN = Train(area_low=0.6, aspect=1.1, color=0.2)
THUMBNAILS_FIT = Fit(
    epochs=20, batch_size=64, optimizer="adamw", learning_rate=3e-3, weight_decay=0.05, ema=0.99, clip=5.0
)

TINY = replace(SMALL, classes=2, width=4, hidden=8, slots=2, norm="group", short_side=32, crop=32)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "thumbnails": (THUMBNAILS, THUMBNAILS_TRAIN, THUMBNAILS_FIT),
    "paper": (PAPER, PAPER_TRAIN, FIT),
    "tiny": (TINY, Train(area_low=0.6), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch), thumbnails (drawings, digits and other
pictures of about 28 pixels), paper, tiny (for the machinery)."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and pictures; see `ocellus.training.beginning.for_labels`.

    Args:
        config: as asked for.
        data: to train on, with a class for each picture.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: no classes of pictures, fewer than two, pictures of other channels, or norms that are to
            stay as they are before they have seen anything. Exit code 2 where the settings are at fault.
    """
    refuse_fresh_frozen(config.norm, pretrained=pretrained)
    return for_labels(config, data)
