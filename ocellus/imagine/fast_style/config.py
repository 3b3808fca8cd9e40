"""Fast style's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset


@dataclass(frozen=True)
class Config:
    """The network, and how a picture reaches it."""

    width: int = 32
    """Channels of the first convolution; behind the two of stride 2 they are 2 and 4 times as many."""
    blocks: int = 5
    """Residual blocks, two 3x3 convolutions each, at a quarter of the size."""
    kernel: int = 9
    """Side of the first convolution and the last."""
    padding: str = "reflect"
    """What stands around the picture: reflect (its mirror image), or zero, as TensorFlow's SAME."""
    upsampling: str = "nearest"
    """nearest: each value doubled before a 3x3 convolution; transposed: a transposed 3x3 convolution."""
    output: str = "tanh"
    """tanh: 127.5 + 150 tanh, in grey levels; linear: as it comes."""
    norm_eps: float = 1e-5
    """Added to the variance by instance normalization."""
    bias: bool = True
    """Whether convolutions have a bias."""
    last_norm: bool = False
    """Whether the last convolution is normalized too."""
    discriminator_width: int = 32
    """Channels of the first convolution of the discriminator, where there is one."""
    discriminator_layers: int = 2
    """Its convolutions of stride 2: 1 to 5 judge patches of 16, 34, 70, 142 or 286 pixels."""
    longest: int = 0
    """Larger pictures are painted with so many pixels on the longer side, and enlarged again; 0: as they
    are. Brush strokes are as large as in training, so that a large picture has small ones."""


PREPROCESSING = ("longest",)
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Run:
    """Options of a single use."""

    strength: float = 1.0
    """Share of the painted picture; the rest is the photograph."""
    keep_colors: bool = False
    """The photograph's colors, the painted picture's light and dark."""


RUN = Run()


@dataclass(frozen=True)
class Train:
    """The recipe: the style, the losses, how examples are cut."""

    style: str = ""
    """The picture whose style is learnt."""
    style_side: int = 256
    """Pixels of its shorter side, which says how large brush strokes become; 0: as it is."""
    loss_network: str = ""
    """Weights file of see/classifier whose features are compared: an imported VGG-16 as in the paper, or any
    other; torchvision:vgg16 fetches it."""
    content_layers: tuple[str, ...] = ()
    """Layers whose features the photograph is to keep; none: the usual ones of the loss network."""
    content_weights: tuple[float, ...] = (1.0,)
    """Their weights, one each or one for all."""
    style_layers: tuple[str, ...] = ()
    """Layers whose Gram matrices are to be the style's; none: the usual ones of the loss network."""
    style_weights: tuple[float, ...] = (1.0,)
    """Their weights, one each or one for all."""
    loss_scale: str = "relative"
    """relative: each layer's loss as a share of what it is compared with, so that one weight fits any
    network; plain: as published, for weights that belong to a network."""
    variation: float = 0.05
    """Weight of the total variation."""
    temporal: float = 0.0
    """Weight of the loss on changes that the source does not have, for videos; 0: none."""
    temporal_kind: str = "both"
    """noise: two noisy versions of a picture are to look alike; motion: a picture that moved is to look like
    the moved one; both."""
    noise: float = 0.03
    """Standard deviation of that noise, in [0, 1]."""
    motion: float = 8.0
    """Largest shift of that motion, in pixels."""
    adversarial: float = 0.0
    """Weight of an adversarial loss on patches, in the place of Gram matrices; 0: none."""
    game: str = "hinge"
    """What the two networks play: nonsaturating, minmax, hinge or lsgan."""
    penalty: float = 0.0
    """Weight of the squared gradient at real patches (R1); 0: none."""
    monitor: str = "total"
    """The figure that decides which weights are best: total, style, content or stability; the less the
    better."""
    load: int = 288
    """Photographs are resized so that the shorter side has this many pixels; 0: not resized."""
    crop: int = 256
    """Side of the squares that are cut out."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""


USUAL_TRAIN = Train()
"""What the slow optimisation minimizes, too, unless told otherwise."""

FIT = Fit(
    steps=40_000, batch_size=4, learning_rate=1e-3, weight_decay=0.0, schedule="constant", warmup_steps=0,
    clip=0.0, validate_every=2000,
)  # fmt: skip

PAPER = Config(bias=True)
PAPER_TRAIN = Train(
    content_layers=("relu3_3",), style_layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    style_weights=(5.0,), loss_scale="plain", variation=1e-6, load=256,
)  # fmt: skip

SMALL = Config(width=16, blocks=4, kernel=7)
SMALL_FIT = Fit(
    steps=1500, batch_size=4, learning_rate=2e-3, weight_decay=0.0, warmup_steps=50, clip=1.0, ema=0.99,
    validate_every=250,
)  # fmt: skip

TINY = Config(width=4, blocks=1, kernel=3, discriminator_width=4, discriminator_layers=1)

PRESETS = {
    "small": (SMALL, Train(), SMALL_FIT),
    "video": (SMALL, Train(temporal=10.0), SMALL_FIT),
    "gan": (
        SMALL,
        Train(adversarial=1.0),
        replace(SMALL_FIT, learning_rate=1e-3),
    ),
    "paper": (PAPER, PAPER_TRAIN, FIT),
    "tiny": (
        TINY,
        Train(load=40, crop=32, style_side=32),
        Fit(steps=20, batch_size=2, learning_rate=2e-3, weight_decay=0.0, warmup_steps=5),
    ),
}  # fmt: skip
"""What `ocellus train` can begin with: small (a CPU), video (the same, for videos), gan (an adversary in the
place of Gram matrices), paper, tiny. All need --style and --loss-network."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings, which do not depend on the data.

    Args:
        config: as asked for.
        data: to train on.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: there are no pictures.
    """
    if next(iter(data.records()), None) is None:
        raise OcellusError(f"{data.root} has no pictures: give a folder of photographs")
    return config
