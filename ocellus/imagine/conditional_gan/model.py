"""The generators and the discriminators: light, dcgan (Radford 2015) and dense (Mirza 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ocellus.errors import require
from ocellus.imagine.conditional_gan.config import Config
from ocellus.nn.class_conditions import (
    ClassCode,
    ConditionalNorm,
    Maxout,
    class_shares,
    class_spread,
    never_empty,
)

ARCHITECTURES = ("light", "dcgan", "dense")
CONDITIONS = ("none", "concat", "embedding", "projection")
CODES = {"none": "none", "concat": "one_hot", "embedding": "learned", "projection": "learned"}
SLOPE = 0.2  # of the leaky ReLUs; Radford 2015, section 4
WIDEST = 8  # the widest stage has so many times the last one's channels


class Raw(NamedTuple):
    """What the generator puts out."""

    pictures: Tensor  # (B, C, side, side) in [0, 1]


def stages_of(side: int) -> tuple[int, int]:
    """The least side, 4 to 7, and how often it doubles to the whole: 28 -> (7, 2). (0, 0): it cannot be."""
    doublings = 0
    while side > 7 and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    return (side, doublings) if 4 <= side <= 7 and doublings else (0, 0)


class Refined(nn.Module):
    """Two 3x3 convolutions whose answer is added to what they are given (He 2015, arXiv:1512.03385).

    Args:
        channels: C.
        norms: one after each convolution; none: without.
    """

    def __init__(self, channels: int, norms: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=not norms) for _ in range(2)
        )
        self.norms = nn.ModuleList(norms)

    def forward(self, features: Tensor, shares: Tensor, *, slope: float) -> Tensor:
        """(B, C, h, w) as an activation leaves them, and (B, K) shares of the classes -> (B, C, h, w)."""
        found = features
        for index, conv in enumerate(self.convs):
            found = F.leaky_relu(found, slope) if index else found
            found = conv(found)
            found = _normed(self.norms[index], found, shares) if self.norms else found
        return F.leaky_relu(features + found, slope)


def _normed(norm: nn.Module, features: Tensor, shares: Tensor) -> Tensor:
    """(B, C, h, w) after a norm, which may be of the class."""
    answer: Tensor = norm(features, shares) if isinstance(norm, ConditionalNorm) else norm(features)
    return answer


def _through(blocks: nn.ModuleList, level: int, features: Tensor, shares: Tensor, *, slope: float) -> Tensor:
    """(B, C, h, w) through the blocks of a level, where it has any."""
    of_level = blocks[level] if level < len(blocks) else nn.ModuleList()
    for block in of_level.children():
        features = block(features, shares, slope=slope)
    return features


class Convolutional(nn.Module):
    """The generators light and dcgan: a vector becomes a small map, which doubles its side stage by stage.

    dcgan: a transposed convolution from 1x1, then 4x4 ones of stride 2, as published for 64 pixels (Radford
    2015, arXiv:1511.06434, figure 1). light: a linear layer, then nearest-neighbour enlarging and 3x3.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.code = ClassCode(config.classes, kind=CODES[config.condition], size=config.embedding)
        size = max(config.noise + self.code.size, 1)
        self.base, doublings = stages_of(config.side)
        self.transposed = config.architecture == "dcgan"
        # dcgan's last doubling is the convolution to the picture; light's comes before it.
        levels = doublings if self.transposed else doublings + 1
        widths = [config.width * min(1 << level, WIDEST) for level in reversed(range(levels))]
        convs: list[nn.Module]
        if self.transposed:
            self.first: nn.Module = nn.ConvTranspose2d(size, widths[0], self.base, bias=False)
            convs = [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths)]
            self.last: nn.Module = nn.ConvTranspose2d(widths[-1], config.channels, 4, 2, 1, bias=False)
        else:
            self.first = nn.Linear(size, widths[0] * self.base**2)
            convs = [nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths)]
            self.last = nn.Conv2d(widths[-1], config.channels, 3, padding=1)
        self.convs = nn.ModuleList(convs)
        own = config.condition == "projection"
        norm = partial(ConditionalNorm, classes=config.classes) if own else nn.BatchNorm2d
        self.norms = nn.ModuleList(norm(width) for width in widths)
        count = 0 if self.transposed else config.blocks
        self.refined = nn.ModuleList(
            nn.ModuleList(Refined(width, [norm(width), norm(width)]) for _ in range(count))
            for width in widths
        )
        self.apply(fresh_dcgan if self.transposed else fresh)

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Raw:
        """Pictures of noise.

        Args:
            noise: (B, config.noise).
            classes: (B,) int64, (B, K) shares of several, or None: an equal share of all.
        """
        shares = class_shares(classes, count=len(noise), kinds=self.config.classes, like=noise)
        vector = never_empty(torch.cat([noise, self.code(shares).to(noise)], dim=1))
        if self.transposed:
            features = self.first(vector[:, :, None, None])
        else:
            features = self.first(vector).reshape(len(vector), -1, self.base, self.base)
        features = features.contiguous(memory_format=torch.channels_last)
        for index, norm in enumerate(self.norms):
            if index:
                if not self.transposed:
                    features = F.interpolate(features, scale_factor=2.0)
                features = self.convs[index - 1](features)
            features = F.relu(_normed(norm, features, shares))
            features = _through(self.refined, index, features, shares, slope=0.0)
        return Raw((torch.tanh(self.last(features).float()) + 1) / 2)


class Dense(nn.Module):
    """The first conditional generator (Mirza 2014, section 4.1): of width w, noise to w units and class to
    5 w, both to 6 w, those to the picture. With w = 200 these are the published 200, 1000 and 1200.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.code = ClassCode(config.classes, kind=CODES[config.condition], size=config.embedding)
        self.of_noise = nn.Linear(max(config.noise, 1), config.width)
        self.of_class = nn.Linear(max(self.code.size, 1), 5 * config.width)
        self.both = nn.Linear(6 * config.width, 6 * config.width)
        self.last = nn.Linear(6 * config.width, config.channels * config.side**2)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Raw:
        """Pictures of noise; see `Convolutional`."""
        shares = class_shares(classes, count=len(noise), kinds=self.config.classes, like=noise)
        hidden = [self.of_noise(never_empty(noise)), self.of_class(never_empty(self.code(shares)))]
        both = self.both(self.drop(F.relu(torch.cat(hidden, dim=1))))
        pixels = torch.sigmoid(self.last(self.drop(F.relu(both))).float())
        return Raw(pixels.reshape(len(noise), self.config.channels, self.config.side, self.config.side))


class Discriminator(nn.Module):
    """Convolutions of stride 2 to a small map, and one logit.

    The class is a plane for each beside the picture (concat), one learned plane (embedding), or a learned
    vector v_y times the features φ summed over all places, added to the logit (projection; Miyato 2018,
    arXiv:1802.05637, equation 3).

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        base, doublings = stages_of(config.side)
        published = config.architecture == "dcgan"
        self.compares = config.compares and not published and config.noise > 0  # else nothing may differ
        planes = {"concat": config.classes, "embedding": 1}.get(config.condition, 0)
        grown = [config.discriminator_width * min(1 << level, WIDEST) for level in range(doublings)]
        widths = [config.channels + planes, *grown]
        convs: list[nn.Module] = [nn.Conv2d(a, b, 4, 2, 1, bias=not published) for a, b in pairwise(widths)]
        if not published:
            widths.append(2 * widths[-1])
            convs.append(nn.Conv2d(widths[-2] + self.compares, widths[-1], 3, padding=1))
        self.convs = nn.ModuleList(convs)
        count = 0 if published else config.blocks
        self.refined = nn.ModuleList(
            nn.ModuleList(Refined(width) for _ in range(count)) for width in widths[1 : doublings + 1]
        )
        # The first has no norm (Radford 2015, section 3); light and spectral ones have none.
        normed = [published and not config.spectral and index > 0 for index in range(len(convs))]
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if with_norm else nn.Identity()
            for width, with_norm in zip(widths[1:], normed, strict=True)
        )
        self.last = nn.Conv2d(widths[-1], 1, base, bias=False) if published else nn.Linear(widths[-1], 1)
        self.plane = self.vector = None
        if config.condition == "embedding":
            self.plane = nn.Linear(config.classes, config.side**2, bias=False)
        if config.condition == "projection":
            self.vector = nn.Linear(config.classes, widths[-1], bias=False)
        self.apply(fresh_dcgan if published else fresh)
        if config.spectral:
            make_spectral(self)

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        """Logits (B, 1), above 0 for real (0.5 where trained with lsgan).

        Args:
            images: (B, C, side, side) in [0, 1].
            classes: (B,) int64, (B, K) shares, or None: an equal share of all. Of the condition "none" they
                count for nothing: a judge that knew them would ask for pictures of a class all the same.
        """
        known = None if self.config.condition == "none" else classes
        shares = class_shares(known, count=len(images), kinds=self.config.classes, like=images)
        features = self.features(images, shares)
        pooled = features.sum(dim=(2, 3))  # (B, features)
        logits: Tensor = self.last(features if self.config.architecture == "dcgan" else pooled)
        logits = logits.flatten(1).float()
        if self.vector is not None:
            logits = logits + (self.vector(shares) * pooled).float().sum(dim=1, keepdim=True)
        return logits

    def features(self, images: Tensor, shares: Tensor) -> Tensor:
        """(B, features, base, base) of (B, C, side, side) pictures in [0, 1] and (B, K) shares."""
        features = 2 * images - 1
        if self.config.condition == "concat":
            planes = shares[:, :, None, None].expand(-1, -1, *images.shape[2:])
            features = torch.cat([features, planes.to(features)], dim=1)
        if self.plane is not None:
            plane = self.config.side * self.plane(shares)  # as large as a picture, where its norm is 1
            plane = plane.reshape(len(images), 1, *images.shape[2:])
            features = torch.cat([features, plane.to(features)], dim=1)
        features = features.contiguous(memory_format=torch.channels_last)
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if self.compares and index == len(self.convs) - 1:
                plane = class_spread(features, shares)[:, None, None, None]
                plane = plane.expand(-1, 1, *features.shape[2:]).to(features)
                features = torch.cat([features, plane], dim=1)
            features = F.leaky_relu(norm(conv(features)), SLOPE)
            features = _through(self.refined, index, features, shares, slope=SLOPE)
        return features


class DenseDiscriminator(nn.Module):
    """The first conditional discriminator (Mirza 2014, section 4.1): of width w, the picture to 5 w maxout
    units of 5 pieces and the class to w + 2, both to 5 w of 4 pieces, those to the logit. With w = 48 these
    are the published 240, 50 and 240.

    Args:
        config: the network's settings.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        units, few = 5 * config.discriminator_width, config.discriminator_width + 2
        kind = "none" if config.condition == "projection" else CODES[config.condition]
        self.code = ClassCode(config.classes, kind=kind, size=config.embedding)
        self.of_picture = Maxout(config.channels * config.side**2, units, pieces=5)
        self.of_class = Maxout(max(self.code.size, 1), few, pieces=5)
        self.both = Maxout(units + few, units, pieces=4)
        self.last = nn.Linear(units, 1)
        self.vector = None
        if config.condition == "projection":
            self.vector = nn.Linear(config.classes, units, bias=False)
        self.drop = nn.Dropout(config.dropout)
        if config.spectral:
            make_spectral(self)

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        """Logits (B, 1), above 0 for real; see `Discriminator`."""
        shares = class_shares(classes, count=len(images), kinds=self.config.classes, like=images)
        hidden = [self.of_picture(2 * images.flatten(1) - 1), self.of_class(never_empty(self.code(shares)))]
        both = self.drop(self.both(self.drop(torch.cat(hidden, dim=1))))
        logits: Tensor = self.last(both).float()
        if self.vector is not None:
            logits = logits + (self.vector(shares) * both).float().sum(dim=1, keepdim=True)
        return logits


def make_spectral(network: nn.Module) -> None:
    """Divide each weight of a network by its largest singular value (Miyato 2018, arXiv:1802.05957)."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            spectral_norm(layer)


def fresh_dcgan(layer: nn.Module) -> None:
    """Weights of N(0, 0.02), scales of N(1, 0.02) (Radford 2015, section 4)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
        nn.init.normal_(layer.weight, 1.0, 0.02)


def fresh(layer: nn.Module) -> None:
    """Orthogonal weights (Brock 2018, arXiv:1809.11096, appendix B) and no biases."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.orthogonal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def build(config: Config) -> Convolutional | Dense:
    """A generator with fresh weights: what runs after training.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check(config)
    network = Dense(config) if config.architecture == "dense" else Convolutional(config)
    return network.to(memory_format=torch.channels_last)


def build_discriminator(config: Config) -> Discriminator | DenseDiscriminator:
    """A discriminator with fresh weights.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check(config)
    network = DenseDiscriminator(config) if config.architecture == "dense" else Discriminator(config)
    return network.to(memory_format=torch.channels_last)


def check(config: Config) -> None:
    """See that networks can be built.

    Raises:
        OcellusError: they cannot. Exit code 2.
    """
    require(
        config.architecture in ARCHITECTURES, config, "architecture", f"one of {', '.join(ARCHITECTURES)}"
    )
    require(config.condition in CONDITIONS, config, "condition", f"one of {', '.join(CONDITIONS)}")
    for field in ("classes", "channels", "embedding", "width", "discriminator_width"):
        require(getattr(config, field) >= 1, config, field, "1 or more")
    require(config.blocks >= 0, config, "blocks", "0 or more")
    require(config.noise >= 0, config, "noise", "0 or more")
    require(
        config.noise > 0 or config.condition != "none", config, "noise", "1 or more where there is no class"
    )
    require(0 <= config.dropout < 1, config, "dropout", "0 or more and below 1")
    dense = config.architecture == "dense"
    require(dense or not config.dropout, config, "dropout", "0 for all but dense")
    sides = "4, 5, 6 or 7 times a power of two, like 28, 32 and 64"
    require(config.side >= 1 if dense else stages_of(config.side)[1] > 0, config, "side", sides)


def example(config: Config, count: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs of the generator.

    Args:
        config: of it.
        count: B.

    Returns:
        (B, noise) of a fixed seed, and (B,) int64 classes in turn.
    """
    noise = torch.randn(count, config.noise, generator=torch.Generator().manual_seed(0))
    return noise, torch.arange(count) % config.classes
