"""PSPNet's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.training.beginning import fitted, refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are PSPNet-50 as published."""

    classes: int = 150
    """Number of classes, a background counted like the others; training takes it from the data."""
    channels: int = 3
    """Channels of the pictures: 3 for RGB, 1 for grey, or as many as the files have."""
    backbone: str = "resnet"
    """resnet (as published), or small: a light one for training from scratch on a CPU."""
    depth: int = 50
    """Layers of the resnet: 18, 34, 50 or 101. The small backbone has no other."""
    width: int = 64
    """Channels of the backbone's stem; 64 as published, 32 for the small one."""
    norm: str = "batch"
    """Normalization of all layers: batch, group (for small batches), or frozen (statistics fixed)."""
    norm_eps: float = 1e-5
    """Added to the norms' variance."""
    deep_stem: bool = True
    """The resnet begins with three 3x3 convolutions, as published, not with one of 7x7 as torchvision's."""
    dilate_first: bool = True
    """A dilated stage's first 3x3 convolution is dilated too, as published, not as torchvision's."""
    stride: int = 8
    """Pixels from one cell of the last features to the next: 8 as published, or 16 or 32, which is faster."""
    bins: tuple[int, ...] = (1, 2, 3, 6)
    """Rows and columns of the regions that are averaged, for each level of the pyramid."""
    head_channels: int = 512
    """Channels of the 3x3 convolution over features and pyramid."""
    auxiliary: bool = True
    """A second score from the stage before the last, for training alone."""
    dropout: float = 0.1
    """Share of the channels that are dropped before the scores, in training."""
    align_corners: bool = True
    """The outermost cells stand for the outermost pixels, as published: pictures are continued to a multiple
    of the stride plus 1. Otherwise a cell stands for the middle of its pixels; the small backbone's do."""
    short_side: int = 0
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    tile: int = 0
    """Large pictures are cut into tiles of this side; 0: looked at whole."""
    overlap: int = 384
    """Pixels that neighbouring tiles share. The pyramid averages all that the network is given, so that its
    reach is the whole: each tile is judged by itself, however much they share."""
    views: int = 1
    """Looks at a picture that are averaged: 1, 2 (its mirror image), 4 (half turns) or 8 (quarter turns)."""
    scales: tuple[float, ...] = (1.0,)
    """Scales at which each of these looks is taken, to be averaged too: 0.75 1 1.25, say."""
    channel_order: str = "RGB"
    """RGB or BGR, the order in which the network was trained."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from each channel in that order, of pictures in [0, 1]; one number: from every channel."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Each channel is divided by this; one number: every channel."""


PREPROCESSING = ("short_side", "tile", "overlap", "views", "scales", "channel_order", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: what is minimized, and how pictures are varied."""

    loss: str = "cross_entropy"
    """cross_entropy, balanced (classes that are rare in the training data weigh more), focal, dice, boundary,
    ohem, cross_entropy+dice."""
    focal_gamma: float = 2.0
    """How little the focal loss counts pixels that are right already."""
    ohem_keep: float = 0.0625
    """Least share of the pixels that ohem counts: the hardest, besides all whose class has less than 0.7."""
    auxiliary_weight: float = 0.4
    """Weight of the auxiliary score's loss."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    flip_vertical: float = 0.0
    """Chance of an upside-down picture; for subjects without an up, like cells."""
    turn: float = 0.0
    """Chance of a quarter turn."""
    rotate: float = 0.0
    """Largest rotation to either side, in degrees."""
    scale_low: float = 1.0
    """Smallest factor of the scale jitter."""
    scale_high: float = 1.0
    """Largest factor of the scale jitter."""
    crop: int = 0
    """Side of a random square crop after scaling; 0: none."""
    color: float = 0.0
    """Strength of random brightness, contrast and saturation, 0 to 1."""
    elastic: float = 0.0
    """Spread of a random smooth displacement, in pixels; 0: none."""
    elastic_grid: int = 32
    """Pixels between the places where that displacement is thrown."""


PUBLISHED = Train(rotate=10.0, scale_low=0.5, scale_high=2.0, crop=473)
FIT = Fit(epochs=100, batch_size=16, optimizer="sgd", learning_rate=1e-2, weight_decay=1e-4)

PAPER = Config()

SMALL = Config(
    backbone="small",
    width=32,
    deep_stem=False,
    dilate_first=False,
    head_channels=72,
    auxiliary=False,
    align_corners=False,
)
SMALL_TRAIN = Train(loss="cross_entropy+dice", scale_low=0.75, scale_high=1.5, crop=320, color=0.4)
SMALL_FIT = Fit(
    epochs=32, batch_size=8, optimizer="adamw", learning_rate=3e-3, weight_decay=0.02, ema=0.995, clip=5.0
)

TINY = replace(SMALL, classes=2, width=4, norm="group", head_channels=8, auxiliary=True, overlap=16)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "paper": (PAPER, PUBLISHED, FIT),
    "tiny": (TINY, Train(), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch), paper, tiny (for the machinery)."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and pictures.

    Args:
        config: as asked for.
        data: to train on, with label maps.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: no label maps, fewer than two classes or more than 255, pictures of other channels, or
            norms that are to stay as they are before they have seen anything.
    """
    refuse_fresh_frozen(config.norm, pretrained=pretrained)
    return fitted(config, data)
