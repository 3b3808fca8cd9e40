"""U-Net's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.beginning import fitted
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it. The defaults are the published network."""

    classes: int = 2
    """Number of classes, the background too; training takes it from the data. Of a restorer: its channels."""
    channels: int = 3
    """Channels of the pictures."""
    depth: int = 4
    """How often the resolution is halved."""
    width: int = 64
    """Channels at full resolution; each halving doubles them."""
    encoder: str = "own"
    """The contracting path: own, as published; small, a residual one that learns fast from scratch; or
    squeezenet1_0, which begins with a classifier's weights (--start) where few pictures are to teach much. Of
    these `depth` says nothing, and `width` is of stride 2."""
    variant: str = "standard"
    """standard, dual_frame (what the skip and the low resolution share is counted once) or tight_frame (Haar
    bands in place of pooling)."""
    framelet_pooling: bool = False
    """Give the standard variant the average pooling and unpooling that the frame variants have, in place of
    largest values and learned up-convolutions: what Han and Ye compare with."""
    valid: bool = True
    """Convolutions see no padding: the answer is smaller than the picture, whose borders are mirrored for it.
    Otherwise convolutions are padded with zeros."""
    norm: str = "none"
    """Normalization after each 3x3 convolution: none, batch or group."""
    dropout: float = 0.5
    """Chance that a value of the two coarsest resolutions is dropped in training."""
    residual: bool = False
    """The network restores pictures: what it puts out is added to its input. Such a network is used with
    `restore`, and its classes are the channels."""
    short_side: int = 0
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    tile: int = 0
    """Side of the overlapping tiles that a picture is cut into; 0: the whole picture at once."""
    overlap: int = 336
    """Pixels that neighbouring tiles share. The reach of padded convolutions is 7 · 2^depth - 5 pixels, 107
    at depth 4: three times that leaves no seam. Tiles of valid ones share none, and leave no seam either."""
    views: int = 1
    """Looks at a picture that are averaged: 1, 2 (its mirror image), 4 (half turns) or 8 (quarter turns)."""
    scales: tuple[float, ...] = (1.0,)
    """Scales at which each of these looks is taken, to be averaged too: 0.75 1 1.25, say."""
    channel_order: str = "RGB"
    """RGB or BGR, the order in which the network was trained."""
    mean: tuple[float, ...] = (0.5,)
    """Subtracted from each channel in that order, of pictures in [0, 1]; one number is for every channel."""
    std: tuple[float, ...] = (0.25,)
    """Each channel is divided by this."""


PREPROCESSING = ("short_side", "tile", "overlap", "views", "scales", "channel_order", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: the loss, and how pictures are varied."""

    loss: str = "cross_entropy"
    """cross_entropy, balanced (classes that are rare in the training data weigh more), focal, dice, boundary,
    ohem, cross_entropy+dice."""
    focal_gamma: float = 2.0
    """How little the focal loss counts pixels that are right already."""
    ohem_keep: float = 0.0625
    """Least share of the pixels that ohem counts: the hardest, besides all whose class has less than 0.7."""
    border_weight: float = 0.0
    """Extra weight of a gap between two objects that touch: w0 of the paper, 10 there. Class 0 must be what
    is between the objects. 0: no weight map."""
    border_sigma: float = 5.0
    """How wide a gap may be to count, in pixels."""
    border_balance: bool = True
    """Where there is a weight map, let the classes of a picture weigh the same in it."""
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
    """Standard deviation in pixels of the shifts of an elastic deformation, 10 in the paper; 0: none."""
    elastic_grid: int = 32
    """Pixels between the points whose shifts are drawn; between them shifts are interpolated."""


PUBLISHED = Train(border_weight=10.0, flip_vertical=0.5, turn=0.5, elastic=10.0, elastic_grid=192, crop=384)
"""With their margin 384 pixels are the published 572; on them the grid of shifts has 3 x 3 points."""

FIT = Fit(
    epochs=300, batch_size=1, optimizer="sgd", learning_rate=1e-3, weight_decay=0.0, schedule="constant"
)

PAPER = Config()

TINY = Config(depth=2, width=4, valid=False, norm="group", dropout=0.0, overlap=16)

SMALL = Config(depth=4, width=22, valid=False, norm="batch", dropout=0.1)
SMALL_FIT = Fit(epochs=60, batch_size=4, learning_rate=2e-3, weight_decay=0.01, ema=0.99, clip=5.0)

PRETRAINED = Config(
    encoder="squeezenet1_0",
    width=32,
    valid=False,
    norm="batch",
    dropout=0.1,
    channel_order="BGR",
    mean=(104 / 255, 117 / 255, 123 / 255),
    std=(1 / 255,),
)
"""With the pictures that SqueezeNet's authors trained on."""
PRETRAINED_TRAIN = Train(loss="cross_entropy+dice", scale_low=0.75, scale_high=1.5, crop=320, color=0.4)
PRETRAINED_FIT = Fit(
    epochs=40, batch_size=8, learning_rate=1e-3, layer_decay=0.8, weight_decay=0.05, ema=0.995, clip=5.0
)

PRESETS = {
    "small": (SMALL, Train(scale_low=0.7, scale_high=1.4, crop=256, color=0.3), SMALL_FIT),
    "pretrained": (PRETRAINED, PRETRAINED_TRAIN, PRETRAINED_FIT),
    "paper": (PAPER, PUBLISHED, FIT),
    "tiny": (TINY, Train(), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch), pretrained (with --start, a
SqueezeNet of see/classifier), paper, tiny (for the machinery)."""


BEGINNINGS = ("see/classifier",)
"""Systems besides this one whose weights a training can begin with; see `begin_state`."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and pictures.

    Args:
        config: as asked for.
        data: to train on, with label maps.
        pretrained: training begins with weights that were trained before; makes no difference here.

    Raises:
        OcellusError: no label maps, fewer than two classes or more than 255, pictures of other channels, or a
            network that restores is asked for.
    """
    if config.residual:
        raise OcellusError(
            "--residual makes a network that restores pictures, which learns from pairs of pictures and not "
            "from classes: train it with ocellus.see.unet.Restoration",
            exit_code=2,
        )
    return fitted(config, data)
