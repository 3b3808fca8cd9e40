"""Classifiers: features of a picture, put together over all places, and a score for each class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.nn.cifar_resnet import DEPTHS, CifarResNet
from ocellus.nn.light import Light
from ocellus.nn.norm import NORMS
from ocellus.nn.resnet import BLOCKS as RESNETS
from ocellus.nn.resnet import ResNet
from ocellus.nn.squeezenet import SqueezeNet
from ocellus.nn.vgg import BLOCKS as VGGS
from ocellus.nn.vgg import VGG
from ocellus.see.classifier.config import Config

STRIDES = {8: (True, True), 16: (False, True), 32: (False, False)}
"""Which of the last two stages are dilated, by the stride of the last features."""


class Published(NamedTuple):
    """What an architecture is like where the settings leave it open.

    Args:
        depths: that there are, the published one first.
        width: channels of the first stage; 0: there is no choice.
        hidden: channels of the linear layers before the last; 0: there are none.
        least: pixels of the shortest side that it can look at.
    """

    depths: tuple[int, ...]
    width: int
    hidden: int
    least: int


ARCHITECTURES = {
    "vgg": Published((16, *(depth for depth in VGGS if depth != 16)), 64, 4096, 32),
    "resnet": Published((50, *(depth for depth in RESNETS if depth != 50)), 64, 0, 1),
    "cifar_resnet": Published(DEPTHS, 16, 0, 1),
    "squeezenet1_0": Published((), 0, 0, 21),
    "squeezenet1_1": Published((), 0, 0, 17),
    "doodlenet": Published((), 16, 512, 8),
    "small": Published((), 32, 0, 1),
}


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    logits: Tensor  # (B, K)


class Doodle(nn.Module):
    """DoodleNet's convolutions: three stages of two and a pooling, for drawings of 28 x 28 pixels.

    Args:
        channels: of the input.
        width: channels of the first stage; the others have 2 and 4 times as many.
    """

    def __init__(self, channels: int = 1, *, width: int = 16) -> None:
        super().__init__()
        self.channels = (width, 2 * width, 4 * width)
        self.stages = nn.ModuleList()
        inputs = channels
        for outputs in self.channels:
            convs = nn.ModuleList()
            for _ in range(2):
                convs.append(fresh(nn.Conv2d(inputs, outputs, 3, padding=1)))
                inputs = outputs
            self.stages.append(convs)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, channels, H, W) -> three (B, self.channels[i], H / s, W / s), s = 2, 4 and 8, rounded down."""
        features, levels = images, []
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for conv in stage:
                features = F.relu_(conv(features))
            features = F.max_pool2d(features, 2)
            levels.append(features)
        return levels


class Pooled(nn.Module):
    """Global average pooling and a linear layer (He 2015, section 3.3): the end that CAM explains."""

    def __init__(self, inputs: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.score = nn.Linear(inputs, classes)

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C)."""
        return features.mean(dim=(2, 3))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.score(self.drop(self.embed(features)))
        return scores


class MapPerClass(nn.Module):
    """A convolution that gives each class a map, a ReLU, and each map's mean (Iandola 2016, section 3.3)."""

    def __init__(self, inputs: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.score = nn.Conv2d(inputs, classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C)."""
        return features.mean(dim=(2, 3))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.score(self.drop(features))).mean(dim=(2, 3))


class Dense(nn.Module):
    """VGG's linear layers fc6, fc7 and the scores, over 7 x 7 places (Simonyan 2014, section 2.1).

    Features of other sizes are averaged to 7 x 7, as torchvision does.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.fc6 = fresh(nn.Linear(49 * inputs, hidden))
        self.fc7 = fresh(nn.Linear(hidden, hidden))
        self.drop = nn.Dropout(dropout)
        self.score = nn.Linear(hidden, classes)

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, hidden), fc7's."""
        flat = F.adaptive_avg_pool2d(features, 7).flatten(1)  # (B, 49 C), channel by channel
        return F.relu_(self.fc7(self.drop(F.relu_(self.fc6(flat)))))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.score(self.drop(self.embed(features)))
        return scores


class Sketch(nn.Module):
    """DoodleNet's two linear layers, over 3 x 3 places; features of other sizes are averaged to that."""

    def __init__(self, inputs: int, hidden: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(9 * inputs, hidden)
        self.drop = nn.Dropout(dropout)
        self.score = nn.Linear(hidden, classes)

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, hidden)."""
        return torch.tanh(self.fc1(F.adaptive_avg_pool2d(features, 3).flatten(1)))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.score(self.drop(self.embed(features)))
        return scores


class Classifier(nn.Module):
    """A backbone's last features, and a head that scores them.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.backbone = make_backbone(config)
        self.head = make_head(config, self.backbone.channels[-1])

    def forward(self, images: Tensor) -> Raw:
        """Logits of a batch.

        Args:
            images: (B, channels, H, W) in [0, 1], RGB where they have colors; of any size.
        """
        logits: Tensor = self.head(self.features(images))
        return Raw(logits)

    def features(self, images: Tensor) -> Tensor:
        """(B, C, h, w), what the head scores, of (B, channels, H, W) pictures in [0, 1]."""
        levels: list[Tensor] = self.backbone(self.normalize(images))
        return levels[-1]

    def embed(self, images: Tensor) -> Tensor:
        """(B, D), what the last layer scores (averaged over places), of (B, channels, H, W) in [0, 1]."""
        embedding: Tensor = self.head.embed(self.features(images))  # type: ignore[operator]
        return embedding

    def normalize(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> what the backbone takes, channels-last.

        For small the last row and column are repeated up to a multiple of the stride.
        """
        if self.config.scale != 1.0:
            images = images * self.config.scale
        if self.config.channel_order == "BGR" and images.shape[1] == 3:
            images = images.flip(1)
        images = (images - self.mean) / self.std
        below, right = (-side % self.config.stride for side in images.shape[2:])
        if self.config.architecture == "small" and (below or right):
            images = F.pad(images, (0, right, 0, below), mode="replicate")
        return images.contiguous(memory_format=torch.channels_last)


def fresh(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The layer with weights that keep the variance through a ReLU (arXiv:1502.01852), biases of zero."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def make_backbone(config: Config) -> VGG | ResNet | CifarResNet | SqueezeNet | Doodle | Light:
    """What makes the features; its last level is scored."""
    kind, published = config.architecture, ARCHITECTURES[config.architecture]
    width = config.width or published.width
    depth = config.depth or next(iter(published.depths), 0)
    if kind == "vgg":
        return VGG(depth, channels=config.channels, width=width)
    if kind.startswith("squeezenet"):
        return SqueezeNet(kind[-3:].replace("_", "."), channels=config.channels)
    if kind == "doodlenet":
        return Doodle(config.channels, width=width)
    if kind == "cifar_resnet":
        return CifarResNet(
            depth, channels=config.channels, width=width, norm=config.norm, eps=config.norm_eps
        )
    dilate = STRIDES[config.stride]
    if kind == "small":
        return Light(config.channels, width=width, norm=config.norm, eps=config.norm_eps, dilate=dilate)
    return ResNet(
        depth, inputs=config.channels, width=width, norm=config.norm, eps=config.norm_eps, dilate=dilate
    )


def make_head(config: Config, inputs: int) -> nn.Module:
    """What scores the features."""
    hidden = config.head_channels or ARCHITECTURES[config.architecture].hidden
    if config.architecture == "vgg":
        return Dense(inputs, hidden, config.classes, dropout=config.dropout)
    if config.architecture == "doodlenet":
        return Sketch(inputs, hidden, config.classes, dropout=config.dropout)
    if config.architecture.startswith("squeezenet"):
        return MapPerClass(inputs, config.classes, dropout=config.dropout)
    return Pooled(inputs, config.classes, dropout=config.dropout)


def build(config: Config) -> Classifier:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    choices: dict[str, tuple[object, ...]] = {
        "architecture": tuple(ARCHITECTURES),
        "norm": NORMS,
        "stride": tuple(STRIDES),
        "channel_order": ("RGB", "BGR"),
    }
    for field, allowed in choices.items():
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(map(str, allowed))}")
    kind, published = config.architecture, ARCHITECTURES[config.architecture]
    known = ", ".join(map(str, (0, *published.depths)))
    require(config.depth in (0, *published.depths), config, "depth", f"one of {known} for {kind}")
    require(published.width > 0 or not config.width, config, "width", f"0 for {kind}")
    require(published.hidden > 0 or not config.head_channels, config, "head_channels", f"0 for {kind}")
    require(kind in ("resnet", "small") or config.stride == 32, config, "stride", f"32 (unset) for {kind}")
    for field, least in {"channels": 1, "classes": 2}.items():
        require(getattr(config, field) >= least, config, field, f"{least} or more")
    for field in ("width", "head_channels", "norm_eps", "short_side", "crop"):
        require(getattr(config, field) >= 0, config, field, "0 or more")
    require(0 <= config.dropout < 1, config, "dropout", "0 or more and below 1")
    require(config.scale != 0, config, "scale", "other than 0")
    for field in ("mean", "std"):
        counts = f"{config.channels} numbers, one a channel, or 1 for all"
        require(len(getattr(config, field)) in (1, config.channels), config, field, counts)
    require(min(config.std) > 0, config, "std", "above 0")
    swapped = config.channel_order == "BGR" and config.channels != 3
    require(not swapped, config, "channel_order", "RGB where there are not 3 channels")
    require(config.crop <= config.short_side, config, "crop", f"at most short_side, {config.short_side}")
    seen = config.crop or config.short_side
    field = "crop" if config.crop else "short_side"
    require(not seen or seen >= published.least, config, field, f"{published.least} or more for {kind}")
    return Classifier(config).to(memory_format=torch.channels_last)
