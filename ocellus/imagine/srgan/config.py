"""SRResNet's and SRGAN's settings. Standard library only."""

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

    factor: int = 4
    """How many times larger: 2, 3, 4 or 8."""
    channels: int = 3
    """Channels of the pictures."""
    width: int = 64
    """Channels inside."""
    blocks: int = 16
    """Residual blocks, two 3x3 convolutions each."""
    norm: str = "batch"
    """Normalization in the blocks: batch, instance or none."""
    activation: str = "prelu"
    """prelu, leaky_relu or relu."""
    block_activation: str = "prelu"
    """The same, inside the blocks."""
    slope: float = 0.25
    """Of a leaky ReLU; where a PReLU begins."""
    kernel: int = 9
    """Side of the first convolution and the last."""
    bias: bool = True
    """Whether convolutions that no norm follows have a bias."""
    skip: bool = True
    """A convolution behind the blocks, and a connexion around all of them."""
    upsampling: str = "steps"
    """steps: a convolution and a pixel shuffle for each factor of 2 or 3, then the last convolution at full
    size; direct: one convolution gives all pixels, everything is computed at the small size."""
    last: bool = False
    """One more convolution at full size, before the last; of "steps" alone."""
    base: str = "none"
    """What the network's answer is added to: none, nearest, bilinear or bicubic enlargement."""
    signed: bool = True
    """The network and its discriminator work with pictures in [-1, 1]; those that are given, and the answer,
    are in [0, 1] all the same."""
    discriminator_width: int = 64
    """Channels of the discriminator's first convolution; those behind have up to 8 times as many."""
    discriminator_side: int = 96
    """Side of the pictures that the discriminator judges, a multiple of 16: its layers of 1024 look at the
    whole; 0: any size, features are averaged over all places."""
    discriminator_kernel: int = 3
    """Side of its convolutions of stride 2."""
    views: int = 1
    """The mean of the answers for so many turned and mirrored views: 1, 2, 4 or 8."""
    tile: int = 384
    """Side of overlapping tiles that a picture is cut into, before it is enlarged; 0: the whole at once."""
    overlap: int = 120
    """Pixels that neighbouring tiles share, before enlargement; three times the reach leaves no seam."""


PREPROCESSING = ("views", "tile", "overlap")
"""The fields of Config that say how a picture reaches the network."""


@dataclass(frozen=True)
class Run:
    """Options of a single use."""

    ensemble: int = 0
    """The mean of the answers for 1, 2, 4 or 8 turned and mirrored views; 0: as the weights say."""


RUN = Run()


@dataclass(frozen=True)
class Train:
    """The recipe: losses, and how examples are cut."""

    pixel: str = "mse"
    """Loss on pixels: l1, mse or none."""
    pixel_weight: float = 1.0
    """Its weight."""
    perceptual: float = 0.0
    """Weight of the loss on features of `loss_network`; 0: none."""
    loss_network: str = ""
    """Weights file of see/classifier whose features are compared: an imported VGG-19 as in the paper, or any
    other; torchvision:vgg19 fetches it."""
    perceptual_layers: tuple[str, ...] = ("conv5_4",)
    """Layers that are compared, before their ReLU where they are called conv."""
    perceptual_scale: str = "plain"
    """plain: squared differences; relative: divided by the mean square of the true picture's features, so
    that one weight fits any network."""
    adversarial: float = 0.0
    """Weight of the adversarial loss; 0: no discriminator."""
    game: str = "nonsaturating"
    """What the two networks play: nonsaturating, minmax, hinge or lsgan."""
    discriminator_rate: float = 1.0
    """Learning rate of the discriminator as a share of the other network's."""
    monitor: str = "psnr"
    """The figure that decides which weights are best: psnr (of luminance), ssim, or perceptual (the loss
    network's distance)."""
    shrink: float = 1.0
    """JPEGs and WebPs are made so many times smaller before anything else, which takes away what compression
    did to them; less where one would become smaller than a crop. Lossless pictures are taken as they are."""
    crop: int = 96
    """Side of the true pictures that are cut out, a multiple of the factor."""
    validate_side: int = 1024
    """Larger pictures are judged by their middle of so many pixels a side; 0: by the whole."""
    flip: float = 0.5
    """Chance of a left-right mirrored picture."""
    turn: float = 0.5
    """Chance of a quarter turn."""


FIT = Fit(
    steps=1_000_000, batch_size=16, learning_rate=1e-4, weight_decay=0.0, schedule="constant",
    warmup_steps=0, clip=0.0, validate_every=5000,
)  # fmt: skip

PAPER = Config()

SMALL = Config(
    width=64, blocks=10, norm="none", activation="relu", block_activation="relu", kernel=3,
    upsampling="direct", base="bicubic", signed=False, discriminator_width=32, discriminator_side=0,
    overlap=75,
)  # fmt: skip
SMALL_TRAIN = Train(pixel="l1", shrink=2.0)
SMALL_FIT = Fit(
    steps=15000, batch_size=16, learning_rate=1e-3, weight_decay=0.0, warmup_steps=100, clip=1.0, ema=0.999,
    validate_every=1000,
)  # fmt: skip

TINY = Config(
    factor=2, width=8, blocks=1, norm="none", activation="relu", block_activation="relu", kernel=3,
    upsampling="direct", base="bilinear", signed=False, discriminator_width=4, discriminator_side=0,
    tile=0, overlap=24,
)  # fmt: skip

LATER = replace(SMALL_FIT, learning_rate=2e-4, steps=3000, validate_every=500)

PRESETS = {
    "small": (SMALL, SMALL_TRAIN, SMALL_FIT),
    "mse": (SMALL, replace(SMALL_TRAIN, pixel="mse"), SMALL_FIT),
    "perceptual": (
        SMALL,
        replace(
            SMALL_TRAIN, pixel_weight=0.01, perceptual=0.1, perceptual_scale="relative",
            perceptual_layers=("relu1", "fire3", "fire5"), monitor="perceptual",
        ),
        LATER,
    ),
    "gan": (
        SMALL,
        replace(
            SMALL_TRAIN, pixel_weight=0.1, perceptual=0.1, perceptual_scale="relative",
            perceptual_layers=("relu1", "fire3", "fire5"), adversarial=0.005, monitor="perceptual",
        ),
        LATER,
    ),
    "paper": (PAPER, Train(), FIT),
    "paper_gan": (
        PAPER,
        # PSNR would choose the weights that the adversary has changed least.
        Train(pixel="none", perceptual=0.006, adversarial=0.001, monitor="perceptual"),
        replace(FIT, steps=200_000, schedule="linear"),
    ),
    "tiny": (
        TINY,
        Train(pixel="l1", crop=32),
        Fit(steps=20, batch_size=2, learning_rate=1e-3, weight_decay=0.0, warmup_steps=5),
    ),
}  # fmt: skip
"""What `ocellus train` can begin with: small (a CPU, L1), the same network with other losses (mse; perceptual
and gan need a loss_network and best begin with the weights of small), paper, paper_gan, tiny."""


def adapt(config: Config, data: Dataset, *, pretrained: bool) -> Config:
    """The settings, which do not depend on the data.

    Args:
        config: as asked for.
        data: to train on.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: pictures of other channels than the network takes.
    """
    from ocellus.data.images import read_picture

    first = next((record for _, record in data.records()), None)
    if first is None:
        raise OcellusError(f"{data.root} has no pictures: give a folder of photographs")
    read_picture(first.image, channels=config.channels)
    return config
