"""The classifier's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.training.beginning import for_labels, refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are ResNet-50 on ImageNet as torchvision's."""

    classes: int = 1000
    """Number of classes; training takes it from the data."""
    channels: int = 3
    """Channels of the pictures: 3 for RGB, 1 for grey and drawings, or as many as the files have."""
    architecture: str = "resnet"
    """vgg, resnet, cifar_resnet (pictures of 32 pixels), squeezenet1_0, squeezenet1_1, doodlenet (drawings of
    28 pixels), or small: a light one for training from scratch on a CPU."""
    depth: int = 0
    """Layers of vgg (11, 13, 16, 19), resnet (18, 34, 50, 101) or cifar_resnet (20, 32, 44, 56, 110); 0: 16,
    50 and 20, and for the others."""
    width: int = 0
    """Channels of the first stage; 0: as published. A squeezenet has no other."""
    stride: int = 32
    """Pixels from one cell of the last features to the next, of resnet and small: 32, or 16 or 8, which shows
    more of where things are and takes longer."""
    norm: str = "batch"
    """Normalization of resnet, cifar_resnet and small: batch, group, or frozen (statistics fixed)."""
    norm_eps: float = 1e-5
    """Added to the norms' variance."""
    head_channels: int = 0
    """Channels of the linear layers before the last, of vgg and doodlenet; 0: 4096 and 512, as published."""
    dropout: float = 0.0
    """Share of the features that are dropped before the scores, in training."""
    short_side: int = 256
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    crop: int = 224
    """Side of the square in the middle that is looked at; 0: the whole picture."""
    channel_order: str = "RGB"
    """RGB or BGR, the order in which the network was trained."""
    scale: float = 1.0
    """Pictures in [0, 1] are multiplied by this before anything else: 255 for networks trained on bytes."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from each channel in that order; one number: from every channel."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Each channel is divided by this; one number: every channel."""


PREPROCESSING = ("short_side", "crop", "channel_order", "scale", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: what is minimized, and how pictures are varied."""

    label_smoothing: float = 0.0
    """Share of the truth that is spread over all classes (Szegedy 2015, arXiv:1512.00567, section 7)."""
    mixup: float = 0.0
    """Two pictures are laid over each other by a share thrown from Beta(this, this) (Zhang 2017,
    arXiv:1710.09412); 0: none."""
    balance: bool = False
    """Rare classes weigh more, so that all count alike."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    flip_vertical: float = 0.0
    """Chance of an upside-down picture; for subjects without an up, like cells."""
    turn: float = 0.0
    """Chance of a quarter turn."""
    area_low: float = 0.08
    """Smallest share of the picture that a random crop takes."""
    area_high: float = 1.0
    """Largest share."""
    aspect: float = 1.3333
    """Most that a random crop is wider than high, or the reverse, before it is made square."""
    color: float = 0.0
    """Strength of random brightness, contrast and saturation, 0 to 1."""


FIT = Fit(epochs=90, batch_size=256, optimizer="sgd", learning_rate=0.1, weight_decay=1e-4, clip=0.0)

PAPER = Config()

SMALL = Config(architecture="small", stride=16, dropout=0.1, short_side=144, crop=128)
SMALL_TRAIN = Train(label_smoothing=0.1, area_low=0.35, color=0.4)
SMALL_FIT = Fit(
    epochs=30, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.05, ema=0.995, clip=5.0
)

THUMBNAILS = Config(architecture="cifar_resnet", short_side=32, crop=32, mean=(0.5,), std=(0.25,))
THUMBNAILS_TRAIN = Train(area_low=0.6, aspect=1.1, color=0.2)
THUMBNAILS_FIT = Fit(
    epochs=20, batch_size=64, optimizer="adamw", learning_rate=5e-3, weight_decay=0.05, ema=0.99, clip=5.0
)

TINY = replace(SMALL, classes=2, width=4, norm="group", dropout=0.0, short_side=32, crop=32)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "thumbnails": (THUMBNAILS, THUMBNAILS_TRAIN, THUMBNAILS_FIT),
    "paper": (PAPER, Train(), FIT),
    "tiny": (TINY, Train(area_low=0.6), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch), thumbnails (drawings, digits and other
pictures of about 32 pixels), paper, tiny (for the machinery)."""


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
    if config.architecture in ("resnet", "cifar_resnet", "small"):
        refuse_fresh_frozen(config.norm, pretrained=pretrained)
    return for_labels(config, data)
