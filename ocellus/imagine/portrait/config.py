"""Portrait's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.training.beginning import fitted, refuse_fresh_frozen
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it."""

    classes: int = 2
    """Number of classes, the background among them; training takes it from the data."""
    channels: int = 3
    """Channels of the pictures."""
    backbone: str = "residual"
    """The encoder: residual (from scratch), or squeezenet1_0, to begin with weights that know many things."""
    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    """Channels of the residual encoder at strides 2, 4, 8, 16 and 32; a squeezenet has its own."""
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    """Residual blocks of the residual encoder at strides 4, 8, 16 and 32."""
    decoder: tuple[int, ...] = (64, 48, 32, 16)
    """Channels of the decoder at strides 16, 8, 4 and 2; behind a squeezenet the first is not used."""
    norm: str = "batch"
    """Normalization: frozen, batch or group."""
    short_side: int = 256
    """Pictures are resized so that the shorter side has this many pixels; 0: not resized."""
    tile: int = 0
    """Side of overlapping tiles that a picture is cut into, after the resize; 0: the whole at once."""
    overlap: int = 64
    """Pixels that neighbouring tiles share. The network looks at the mean of all that it is given, so its
    reach is the whole: each tile is judged by itself, however much they share."""
    channel_order: str = "RGB"
    """RGB or BGR, the order in which the network was trained."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Subtracted from each channel in that order, of pictures in [0, 1]; one number: from every channel."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Each channel is divided by this."""


PREPROCESSING = ("short_side", "tile", "overlap", "channel_order", "mean", "std")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Train:
    """The recipe: what the loss counts, how pictures are varied."""

    loss: str = "cross_entropy+dice"
    """cross_entropy, balanced (classes that are rare in the training data weigh more), focal, dice, boundary,
    ohem, cross_entropy+dice."""
    focal_gamma: float = 2.0
    """How little the focal loss counts pixels that are right already."""
    ohem_keep: float = 0.0625
    """Least share of the pixels that ohem counts: the hardest, besides all whose class has less than 0.7."""
    boundary: float = 0.5
    """Weight of a second cross entropy that counts pixels near an edge more; 0: none."""
    auxiliary: float = 0.4
    """Weight of the same loss on the decoder's answer at stride 8; 0: none."""
    paste: float = 0.5
    """Chance of the subject of another picture of the batch being laid over a picture."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    flip_vertical: float = 0.0
    """Chance of an upside-down picture."""
    turn: float = 0.0
    """Chance of a quarter turn."""
    rotate: float = 15.0
    """Largest rotation to either side, in degrees."""
    scale_low: float = 0.5
    """Smallest factor of the scale jitter."""
    scale_high: float = 1.6
    """Largest factor of the scale jitter."""
    crop: int = 256
    """Side of a random square crop after scaling; 0: none."""
    color: float = 0.5
    """Strength of random brightness, contrast and saturation, 0 to 1."""
    elastic: float = 0.0
    """Spread of an elastic deformation, in pixels; 0: none."""
    elastic_grid: int = 32
    """Pixels between the points of the elastic deformation."""


FIT = Fit(
    epochs=150, batch_size=16, optimizer="adamw", learning_rate=2e-3, weight_decay=0.05, clip=5.0, ema=0.995
)

PAPER = Config()

TINY = Config(
    widths=(8, 8, 16, 16, 16),
    blocks=(1, 1, 1, 1),
    decoder=(16, 16, 8, 8),
    norm="group",
    short_side=64,
    overlap=16,
)

PRETRAINED = replace(
    PAPER,
    backbone="squeezenet1_0",
    channel_order="BGR",
    mean=(104 / 255, 117 / 255, 123 / 255),
    std=(1 / 255,),
)
"""With the pictures that SqueezeNet's authors trained on."""

BEGINNINGS = ("see/classifier",)
"""Systems besides this one whose weights a training can begin with; see `begin_state`."""

PRESETS = {
    "small": (PAPER, Train(), FIT),
    "pretrained": (PRETRAINED, Train(), replace(FIT, epochs=80, learning_rate=1e-3, layer_decay=0.8)),
    "tiny": (TINY, Train(crop=64, paste=0.0), Fit(steps=20, batch_size=2, warmup_steps=5)),
}
"""What `ocellus train` can begin with: small (a CPU, from scratch; 1.1 million parameters), pretrained
(with --start, a SqueezeNet of see/classifier), tiny."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings for a data set's classes and pictures.

    Args:
        config: as asked for.
        data: to train on.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: no label maps, fewer than two classes or more than 255, pictures of other channels, or
            norms that are to stay as they are before they have seen anything.
    """
    refuse_fresh_frozen(config.norm, pretrained=pretrained)
    return fitted(config, data)
