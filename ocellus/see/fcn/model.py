"""The network of FCN (Long 2015, arXiv:1411.4038): scores at strides 32, 16 and 8, put together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.nn.dense import check_dense
from ocellus.nn.light import Light
from ocellus.nn.norm import NORMS, NormedConv
from ocellus.nn.resnet import BLOCKS as RESNETS
from ocellus.nn.resnet import ResNet
from ocellus.nn.upsampling import Upsampling
from ocellus.nn.vgg import BLOCKS as VGGS
from ocellus.nn.vgg import VGG
from ocellus.nn.views import check_views
from ocellus.see.fcn.config import Config

PADDING = 100
"""Pixels around the picture for a vgg, whose fc6 has no padding of its own (section 4.1; Caffe's models)."""

CROPS = {"pool4": 5, "pool3": 9}
"""First row of a vgg's pool scores that lies under the enlarged coarser ones."""

FIRST = {32: 19, 16: 27, 8: 31}
"""First row of a vgg's enlarged scores that lies in the picture, by the stride of the finest scores."""

AT_ONCE = {"pool4": 0.01, "pool3": 0.0001}
"""Scales that bring a vgg's pool4 and pool3 to the size of fc7's features ("at once" training)."""

COARSEST = 32

CLASSIFIED = 1000
"""Most classes: those of ImageNet, of a classifier to begin with. Label maps tell 255 apart."""


class Raw(NamedTuple):
    """Logits of every pixel, and the scores they are made of, each at the resolution of its features."""

    logits: Tensor  # (B, K, H, W) float32
    auxiliary: Tensor | None  # (B, K, H, W) of the stage before the last
    score: Tensor  # (B, K, h, w) of the last features: stride 32, 8 where dilated
    score_pool4: Tensor | None  # (B, K, h, w) of stride 16
    score_pool3: Tensor | None  # (B, K, h, w) of stride 8


class Features(NamedTuple):
    """What is scored."""

    last: Tensor  # (B, C, h, w) before the head
    pool4: Tensor  # (B, C, h, w) of stride 16, 8 where dilated
    pool3: Tensor  # (B, C, h, w) of stride 8


class VGGHead(nn.Module):
    """The classifier's linear layers fc6 and fc7 as convolutions (section 3.1)."""

    def __init__(self, inputs: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.fc6 = nn.Conv2d(inputs, hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.drop = nn.Dropout(dropout)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.drop(F.relu_(self.fc6(features)))  # (B, hidden, h - 6, w - 6)
        dropped: Tensor = self.drop(F.relu_(self.fc7(hidden)))
        return dropped


class FCNHead(nn.Module):
    """A 3x3 convolution before the score of a dilated ResNet, as in torchvision."""

    def __init__(self, inputs: int, hidden: int, *, norm: str, eps: float, dropout: float) -> None:
        super().__init__()
        self.conv = NormedConv(inputs, hidden, kernel=3, norm=norm, eps=eps)
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        dropped: Tensor = self.drop(F.relu_(self.conv(features)))
        return dropped


class FCN(nn.Module):
    """Scores the features of several strides by 1x1 convolutions and adds them up from coarse to fine.

    Args:
        config: the network's settings; `build` checks them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        classes = config.classes
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)
        self.published = config.backbone == "vgg"  # its geometry of paddings and crops
        self.backbone = backbone(config)
        pool3, pool4, last = self.backbone.channels[-3:]
        self.head: nn.Module = nn.Dropout(config.dropout)
        scored = last
        if self.published or config.dilated:
            self.head, scored = head(config, last), config.head_channels
        self.score = _score(scored, config)
        self.score_pool4 = _score(pool4, config) if config.stride <= 16 and not config.dilated else None
        self.score_pool3 = _score(pool3, config) if config.stride <= 8 and not config.dilated else None
        self.upsample_score = Upsampling(classes, 2, learned=True) if self.score_pool4 else None
        self.upsample_pool4 = Upsampling(classes, 2, learned=True) if self.score_pool3 else None
        self.upsample_full: Upsampling | None = None
        if self.published:
            self.upsample_full = Upsampling(classes, config.stride, learned=False, mixed=config.mixed)
        self.auxiliary_head = self.auxiliary_score = None
        if config.auxiliary:
            hidden = pool4 // 4
            self.auxiliary_head = FCNHead(
                pool4, hidden, norm=config.norm, eps=config.norm_eps, dropout=config.dropout
            )
            self.auxiliary_score = _score(hidden, config)

    def forward(self, images: Tensor) -> Raw:
        """Logits of a batch.

        Args:
            images: (B, channels, H, W) in [0, 1], RGB where they have colors; of any size.
        """
        size = (images.shape[2], images.shape[3])
        features = self.features(images)
        score, pool4, pool3 = self.scores(features)
        merged = self.merge(score, pool4, pool3)
        auxiliary = None
        if self.auxiliary_head is not None and self.auxiliary_score is not None:
            auxiliary = self.enlarge(self.auxiliary_score(self.auxiliary_head(features.pool4)), size)
        return Raw(self.enlarge(merged, size), auxiliary, score, pool4, pool3)

    def features(self, images: Tensor) -> Features:
        """What is scored, of (B, channels, H, W) pictures in [0, 1]."""
        pool3, pool4, last = self.backbone(self.normalize(images))[-3:]
        return Features(last, pool4, pool3)

    def normalize(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> what the backbone takes, channels-last.

        For the small backbone the last row and column are repeated up to a multiple of 32.
        """
        if self.config.channel_order == "BGR" and images.shape[1] == 3:
            images = images.flip(1)
        images = (images - self.mean) / self.std
        below, right = -images.shape[2] % COARSEST, -images.shape[3] % COARSEST
        if self.config.backbone == "small" and (below or right):
            images = F.pad(images, (0, right, 0, below), mode="replicate")
        return images.contiguous(memory_format=torch.channels_last)

    def scores(self, features: Features) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Class scores (B, K, h, w) of the last features, of pool4 and of pool3, before any crop."""
        at_once = self.config.at_once
        score: Tensor = self.score(self.head(features.last))
        pool4 = pool3 = None
        if self.score_pool4 is not None:
            pool4 = self.score_pool4(features.pool4 * AT_ONCE["pool4"] if at_once else features.pool4)
        if self.score_pool3 is not None:
            pool3 = self.score_pool3(features.pool3 * AT_ONCE["pool3"] if at_once else features.pool3)
        return score, pool4, pool3

    def merge(self, score: Tensor, pool4: Tensor | None, pool3: Tensor | None) -> Tensor:
        """Each score is enlarged twofold and the next finer one added (section 4.2, figure 3)."""
        if self.upsample_score is not None and pool4 is not None:
            score = self.add(self.upsample_score, score, pool4, first=CROPS["pool4"])
        if self.upsample_pool4 is not None and pool3 is not None:
            score = self.add(self.upsample_pool4, score, pool3, first=CROPS["pool3"])
        return score

    def add(self, upsample: Upsampling, coarse: Tensor, fine: Tensor, *, first: int) -> Tensor:
        """Enlarged coarse scores plus fine ones: for a vgg as large as the coarse, else as the fine ones."""
        if self.published:
            enlarged: Tensor = upsample(coarse)  # (B, K, 2h + 2, 2w + 2)
            return enlarged + cropped(fine, enlarged, first=first)
        # One more cell at each side, so that the border is interpolated too: 2 rows, and 1 of the kernel's.
        enlarged = upsample(F.pad(coarse, (1, 1, 1, 1), mode="replicate"))
        return cropped(enlarged, fine, first=3) + fine

    def enlarge(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, K, H, W) float32: the finest scores interpolated to pixels; this is never learned."""
        height, width = size
        if self.upsample_full is not None:
            first = FIRST[self.config.stride]
            enlarged: Tensor = self.upsample_full(scores)
            return enlarged[:, :, first : first + height, first : first + width].float()
        scores = scores.float().contiguous()
        if self.config.dilated:  # to the size itself, as torchvision
            return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
        stride = self.config.stride
        enlarged = F.interpolate(scores, scale_factor=stride, mode="bilinear", align_corners=False)
        return enlarged[:, :, :height, :width]


def backbone(config: Config) -> VGG | ResNet | Light:
    """What makes the features; its last three levels are scored."""
    if config.backbone == "vgg":
        return VGG(
            config.depth or 16, channels=config.channels, width=config.width, padding=PADDING, ceil=True
        )
    if config.backbone == "small":
        return Light(config.channels, width=config.width, norm=config.norm, eps=config.norm_eps)
    return ResNet(
        config.depth or 50,
        inputs=config.channels,
        width=config.width,
        norm=config.norm,
        eps=config.norm_eps,
        dilate=(config.dilated, config.dilated),
    )


def head(config: Config, inputs: int) -> nn.Module:
    """What stands between the last features and their score."""
    if config.dilated:
        return FCNHead(
            inputs, config.head_channels, norm=config.norm, eps=config.norm_eps, dropout=config.dropout
        )
    return VGGHead(inputs, config.head_channels, dropout=config.dropout)


def cropped(larger: Tensor, wanted: Tensor, *, first: int) -> Tensor:
    """(B, K, H, W) from its row and column `first` on, as large as the wanted (B, K, h, w)."""
    return larger[:, :, first : first + wanted.shape[2], first : first + wanted.shape[3]]


def _score(inputs: int, config: Config) -> nn.Conv2d:
    """A 1x1 convolution; on a vgg it scores nothing at first (section 4.1).

    Zeros do as well as random numbers over trained features. From scratch they hold back all that lies below.
    """
    layer = nn.Conv2d(inputs, config.classes, 1)
    if config.backbone == "vgg":
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def build(config: Config) -> FCN:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check_dense(config, most=CLASSIFIED)
    check_views(config)
    choices: dict[str, tuple[object, ...]] = {
        "stride": (32, 16, 8),
        "backbone": ("vgg", "resnet", "small"),
        "norm": NORMS,
    }
    for field, allowed in choices.items():
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(map(str, allowed))}")
    depths = {"vgg": tuple(VGGS), "resnet": tuple(RESNETS), "small": ()}[config.backbone]
    known = ", ".join(map(str, (0, *depths)))
    require(config.depth in (0, *depths), config, "depth", f"one of {known} for the {config.backbone}")
    for field in ("width", "head_channels"):
        require(getattr(config, field) >= 1, config, field, "1 or more")
    require(config.norm_eps >= 0, config, "norm_eps", "0 or more")
    require(0 <= config.dropout < 1, config, "dropout", "0 or more and below 1")
    residual = config.backbone == "resnet"
    require(residual or not config.dilated, config, "dilated", "off but for the backbone resnet")
    require(residual or not config.auxiliary, config, "auxiliary", "off but for the backbone resnet")
    require(config.stride == 8 or not config.dilated, config, "stride", "8 where dilated is on")
    require(config.backbone == "vgg" or not config.mixed, config, "mixed", "off but for the backbone vgg")
    return FCN(config).to(memory_format=torch.channels_last)
