"""The network of Zhang 2016 (arXiv:1603.08511, figure 2): brightness in, a distribution over colours out."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.imagine.colorize.config import Config
from ocellus.nn.lab import lab_to_rgb, rgb_to_lab
from ocellus.nn.patchgan import PatchGAN

STRIDE = 8

ROWS = (
    (-90, 50, 90), (-80, 20, 90), (-70, 0, 90), (-60, -20, 90), (-50, -30, 100), (-40, -40, 100),
    (-30, -50, 100), (-20, -50, 100), (-10, -60, 100), (0, -70, 100), (10, -80, 90), (20, -80, 90),
    (30, -90, 90), (40, -100, 90), (50, -100, 80), (60, -110, 80), (70, -110, 80), (80, -110, 70),
    (90, -110, 70), (100, -90, 0),
)  # fmt: skip
"""Of each a the first b and the last: the published grid, 313 points in steps of 10. They are the corners of
all squares of the grid that hold a colour of sRGB, 309, and besides (40, 90), (100, -90), (100, -10) and
(100, 0)."""

REACH = 110.0
"""a and b are divided by it."""


class Raw(NamedTuple):
    """What the network puts out."""

    pictures: Tensor  # (B, 3, H, W) RGB in [0, 1]: the brightness given, the colours found
    ab: Tensor  # (B, 2, H, W)
    logits: Tensor  # (B, 313, H / 4, W / 4); of the head "regression" (B, 2, H / 4, W / 4), a and b / 110


def grid() -> Tensor:
    """(313, 2) a and b of the bins, in the published order."""
    return torch.tensor([(a, b) for a, low, high in ROWS for b in range(low, high + 1, 10)]).float()


class Stage(nn.Sequential):
    """3x3 convolutions with a ReLU behind each, then a norm."""

    def __init__(
        self, channels: tuple[int, ...], *, stride: int = 1, dilation: int = 1, norm: str = "batch"
    ) -> None:
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(pairwise(channels)):
            step = stride if index == len(channels) - 2 else 1
            conv = nn.Conv2d(inputs, outputs, 3, stride=step, padding=dilation, dilation=dilation)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            layers += [conv, nn.ReLU()]
        layers.append(nn.BatchNorm2d(channels[-1]) if norm == "batch" else nn.Identity())
        super().__init__(*layers)


class Colorizer(nn.Module):
    """Eight stages: three of stride 2, two dilated, one that doubles the resolution again.

    Args:
        config: of the network.

    Raises:
        OcellusError: settings that cannot be. Exit code 2.
    """

    bins: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        check(config)
        self.config = config
        one, two, four, eight = (config.width * factor for factor in (1, 2, 4, 8))
        norm = config.norm
        self.stages = nn.ModuleList(
            [
                Stage((1, one, one), stride=2, norm=norm),
                Stage((one, two, two), stride=2, norm=norm),
                Stage((two, four, four, four), stride=2, norm=norm),
                Stage((four, eight, eight, eight), norm=norm),
                Stage((eight, eight, eight, eight), dilation=2, norm=norm),
                Stage((eight, eight, eight, eight), dilation=2, norm=norm),
                Stage((eight, eight, eight, eight), norm=norm),
            ]
        )
        self.larger = nn.ConvTranspose2d(eight, four, 4, stride=2, padding=1)
        self.last = Stage((four, four, four), norm="none")
        self.register_buffer("bins", grid())
        self.score = nn.Conv2d(four, len(self.bins) if config.head == "bins" else 2, 1)
        nn.init.normal_(self.score.weight, std=0.01)  # it begins with no colour in particular
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Raw:
        """Colours for (B, 3, H, W) or grey (B, 1, H, W) pictures in [0, 1]; their own are not seen."""
        light = rgb_to_lab(images)[:, :1]
        logits = self.answer(light)
        ab = self.colours(logits, size=(images.shape[2], images.shape[3]))
        return Raw(lab_to_rgb(torch.cat([light, ab], 1)), ab, logits)

    def answer(self, light: Tensor) -> Tensor:
        """(B, K, ceil(H / 8) * 2, ceil(W / 8) * 2) logits of (B, 1, H, W) brightness L, 0 to 100."""
        height, width = light.shape[2:]
        spare = (-width % STRIDE, -height % STRIDE)
        features = (light - 50) / 100
        if any(spare):
            features = F.pad(features, (0, spare[0], 0, spare[1]), mode="replicate")
        features = features.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            features = stage(features)
        logits: Tensor = self.score(self.last(F.relu(self.larger(features))))
        return logits

    def colours(self, logits: Tensor, *, size: tuple[int, int], temperature: float = 0.0) -> Tensor:
        """(B, 2, H, W) a and b: the annealed mean of the distribution (equation 5), enlarged by 4.

        Args:
            logits: (B, K, h, w) as `answer` gives them.
            size: (H, W) of the picture that the network saw.
            temperature: of the annealed mean; 0: as the settings say.
        """
        if self.config.head == "bins":
            shares = (logits.float() / (temperature or self.config.temperature)).softmax(1)
            ab = torch.einsum("kc,bkhw->bchw", self.bins, shares)
        else:
            ab = REACH * logits.float().tanh()
        ab = F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
        return ab[:, :, : size[0], : size[1]]


def check(config: Config) -> None:
    """See that the settings can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(config.head in ("bins", "regression"), config, "head", "bins or regression")
    require(config.width >= 1, config, "width", "1 or more")
    require(config.norm in ("batch", "none"), config, "norm", "batch or none")
    require(0 < config.temperature <= 1, config, "temperature", "above 0 and at most 1")
    require(config.short_side >= 0, config, "short_side", "0 or more")


def build(config: Config) -> Colorizer:
    """The network that a Config describes."""
    return Colorizer(config).to(memory_format=torch.channels_last)


def build_discriminator(config: Config) -> PatchGAN:
    """Judges L, a and b together, each in [0, 1]; see `judged`."""
    return PatchGAN(3, width=config.discriminator_width, layers=config.discriminator_layers, norm="instance")


def judged(light: Tensor, ab: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1], what the discriminator is given.

    Args:
        light: (B, 1, H, W) L.
        ab: (B, 2, H, W).
    """
    return torch.cat([light / 100, (ab + REACH) / (2 * REACH)], 1)


def example(config: Config, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs for the network: pictures."""
    return (torch.rand(count, 3, 32, 40),)
