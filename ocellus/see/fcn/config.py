"""FCN's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.training.beginning import fitted, refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset

RGB_MEAN = (0.485, 0.456, 0.406)
RGB_STD = (0.229, 0.224, 0.225)
BGR_MEAN = (104.00698793 / 255, 116.66876762 / 255, 122.67891434 / 255)
BGR_STD = (1 / 255, 1 / 255, 1 / 255)


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are FCN-8s on VGG-16 as published."""

    classes: int = 21
    """Number of classes, a background counted like the others; training takes it from the data."""
    channels: int = 3
    """Channels of the pictures: 3 for RGB, 1 for grey, or as many as the files have."""
    stride: int = 8
    """Stride of the finest scores: 32 (FCN-32s, no skips), 16 (with pool4) or 8 (with pool4 and pool3)."""
    backbone: str = "vgg"
    """vgg (as published), resnet, or small: a light one for training from scratch on a CPU."""
    depth: int = 0
    """Layers of the vgg (11, 13, 16, 19) or resnet (18, 34, 50, 101); 0: 16 and 50, and for the small one."""
    width: int = 64
    """Channels of the backbone's first stage; 64 as published, 32 for the small one."""
    norm: str = "batch"
    """Normalization of resnet and small: batch, group, or frozen (statistics fixed). A vgg has none."""
    norm_eps: float = 1e-5
    """Added to the norms' variance."""
    head_channels: int = 4096
    """Channels of the vgg's fc6 and fc7, or of the dilated resnet's 3x3 convolution (512)."""
    dropout: float = 0.5
    """Share of the features that are dropped before the scores, in training."""
    at_once: bool = True
    """Scale pool4 by 0.01 and pool3 by 0.0001 before they are scored, so that a vgg learns all in one go."""
    dilated: bool = False
    """The resnet keeps stride 8 by dilation and has no skips, as torchvision's FCN."""
    auxiliary: bool = False
    """A second score from the resnet's stage before the last, for training."""
    mixed: bool = False
    """The vgg's last upsampling is a kernel between all classes, read from a checkpoint, not bilinear."""
    short_side: int = 0
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    tile: int = 0
    """Large pictures are cut into tiles of this side; 0: looked at whole."""
    overlap: int = 384
    """Pixels that neighbouring tiles share. The network's reach is 245 pixels on VGG-16, 272 on ResNet-50
    and 288 on the small backbone: three times that leaves no seam; the README says what less does."""
    views: int = 1
    """Looks at a picture that are averaged: 1, 2 (its mirror image), 4 (half turns) or 8 (quarter turns)."""
    scales: tuple[float, ...] = (1.0,)
    """Scales at which each of these looks is taken, to be averaged too: 0.75 1 1.25, say."""
    channel_order: str = "BGR"
    """RGB or BGR, the order in which the network was trained."""
    mean: tuple[float, ...] = BGR_MEAN
    """Subtracted from each channel in that order, of pictures in [0, 1]; one number: from every channel."""
    std: tuple[float, ...] = BGR_STD
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
    auxiliary_weight: float = 0.5
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


FIT = Fit(
    epochs=50,
    batch_size=20,
    optimizer="sgd",
    learning_rate=1e-4,
    weight_decay=5e-4,
    schedule="constant",
    warmup_steps=0,
)

PAPER = Config()

SMALL = Config(
    backbone="small",
    width=32,
    dropout=0.1,
    at_once=False,
    channel_order="RGB",
    mean=RGB_MEAN,
    std=RGB_STD,
)
SMALL_TRAIN = Train(loss="cross_entropy+dice", scale_low=0.75, scale_high=1.5, crop=320, color=0.4)
SMALL_FIT = Fit(
    epochs=60, batch_size=8, optimizer="adamw", learning_rate=3e-3, weight_decay=0.02, ema=0.995, clip=5.0
)

TINY = replace(SMALL, classes=2, width=4, overlap=32)

BEGINNINGS = ("see/classifier",)
"""Other systems whose weights `--start` takes."""

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "paper": (PAPER, Train(), FIT),
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
    if config.backbone != "vgg":
        refuse_fresh_frozen(config.norm, pretrained=pretrained)
    return fitted(config, data)
