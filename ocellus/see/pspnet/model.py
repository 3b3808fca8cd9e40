"""The network of PSPNet (Zhao 2017, arXiv:1612.01105)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require
from ocellus.nn.dense import check_dense
from ocellus.nn.light import Light
from ocellus.nn.norm import NORMS, NormedConv, make_norm
from ocellus.nn.resnet import BLOCKS, ResNet
from ocellus.nn.views import check_views
from ocellus.see.pspnet.config import Config

STRIDES = {8: (True, True), 16: (False, True), 32: (False, False)}
"""Which of the backbone's last two stages are dilated, by the stride of the last features."""


class Raw(NamedTuple):
    """What the network puts out, before it is a value."""

    logits: Tensor  # (B, K, H, W) float32
    auxiliary: Tensor | None  # (B, K, H, W) of the stage before the last, in training


class PyramidPooling(nn.Module):
    """Averages over regions of several sizes, each level with fewer channels (section 3.2, figure 3).

    Args:
        inputs: channels in.
        bins: rows and columns of the regions of each level.
        norm: batch, group or frozen.
        eps: added to the norms' variance.
    """

    def __init__(self, inputs: int, bins: Sequence[int], *, norm: str, eps: float) -> None:
        super().__init__()
        self.bins = tuple(bins)
        self.channels = inputs // len(self.bins)
        self.reduce = nn.ModuleList(
            NormedConv(inputs, self.channels, kernel=1, norm=norm, eps=eps) for _ in self.bins
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """(B, C, h, w) -> (B, C / levels, n, n) for each level of n x n regions."""
        return [
            F.relu(reduce(F.adaptive_avg_pool2d(features, count)))
            for count, reduce in zip(self.bins, self.reduce, strict=True)
        ]


class Fusion(nn.Module):
    """The 3x3 convolution over the features and the enlarged levels of the pyramid (section 3.2).

    The levels are never enlarged nor put beside the features. A convolution W of the parts x, U p1, U p2, ...
    side by side is the sum W0 x + Σ Wi U pi, and what Wi U does to the few regions of pi is separable: with
    u(y, i) the share that region i has in row y of the enlarged level (0 outside, where the convolution sees
    zeros), it is Σ over dy, i of u(y + dy, i) Σ over dx, j of u(x + dx, j) Wi(dy, dx) pi(i, j). So the part
    of the pyramid, half of all multiplications, costs next to nothing, and is exact, borders included.

    Args:
        inputs: channels of the features.
        levels: how many levels there are.
        part: channels of each.
        outputs: channels out.
        norm: batch, group or frozen.
        eps: added to the norm's variance.
        align_corners: how the levels are enlarged.
    """

    def __init__(
        self,
        inputs: int,
        levels: int,
        *,
        part: int,
        outputs: int,
        norm: str,
        eps: float,
        align_corners: bool,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.direct = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.levels = nn.ModuleList(nn.Conv2d(part, outputs, 3, bias=False) for _ in range(levels))
        self.norm = make_norm(norm, outputs, eps=eps)
        for conv in (self.direct, *self.levels):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor, pyramid: Sequence[Tensor]) -> Tensor:
        """(B, C, h, w) and the levels (B, part, n, n) -> (B, outputs, h, w)."""
        fused = self.direct(features)
        fused = fused + self.spread(pyramid, (features.shape[2], features.shape[3]))
        return F.relu(self.norm(fused))

    def spread(self, pyramid: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """(B, outputs, h, w), the levels' part of the sum."""
        rows, strips = [], []
        for level, conv in zip(pyramid, self.levels, strict=True):
            assert isinstance(conv, nn.Conv2d)
            batch, part, count, _ = level.shape
            taps = conv.weight.permute(2, 3, 0, 1).reshape(-1, part)  # (9 O, part)
            answers = F.linear(level.permute(0, 2, 3, 1), taps)  # (B, n, n, 9 O)
            answers = answers.reshape(batch, count, count, 3, 3, -1).permute(0, 3, 1, 4, 2, 5)
            columns = shares(count, size[1], level, align_corners=self.align_corners)  # (w, 3 n)
            strip = columns @ answers.flatten(3, 4)  # (B, dy, i, w, O) from (B, dy, i, dx j, O)
            strips.append(strip.flatten(1, 2))  # (B, 3 n, w, O)
            rows.append(shares(count, size[0], level, align_corners=self.align_corners))  # (h, 3 n)
        joined = torch.cat(strips, dim=1).flatten(2)  # (B, Σ 3 n, w O)
        spread: Tensor = torch.cat(rows, dim=1) @ joined  # (B, h, w O)
        return spread.reshape(len(spread), *size, -1).permute(0, 3, 1, 2)


class Auxiliary(nn.Module):
    """A score of its own from the stage before the last, for deep supervision (section 3.3).

    Args:
        inputs: channels in.
        config: of the network.
    """

    def __init__(self, inputs: int, config: Config) -> None:
        super().__init__()
        hidden = max(config.head_channels // 2, 1)
        self.conv = NormedConv(inputs, hidden, kernel=3, norm=config.norm, eps=config.norm_eps)
        self.drop = nn.Dropout2d(config.dropout)
        self.score = nn.Conv2d(hidden, config.classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, K, h, w)."""
        scores: Tensor = self.score(self.drop(F.relu_(self.conv(features))))
        return scores


class PSPNet(nn.Module):
    """A dilated backbone, a pyramid of averages over its features, and a score of both.

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
        before, last = self.backbone.channels[-2:]
        self.pyramid = PyramidPooling(last, config.bins, norm=config.norm, eps=config.norm_eps)
        self.fusion = Fusion(
            last,
            len(config.bins),
            part=self.pyramid.channels,
            outputs=config.head_channels,
            norm=config.norm,
            eps=config.norm_eps,
            align_corners=config.align_corners,
        )
        self.drop = nn.Dropout2d(config.dropout)
        self.score = nn.Conv2d(config.head_channels, config.classes, 1)
        self.auxiliary = Auxiliary(before, config) if config.auxiliary else None

    def forward(self, images: Tensor) -> Raw:
        """Logits of a batch; in training those of the auxiliary score too.

        Args:
            images: (B, channels, H, W) in [0, 1], RGB where they have colors; of any size.
        """
        size = (images.shape[2], images.shape[3])
        before, last = self.features(images)
        logits = self.enlarge(self.head(last), size)
        auxiliary = None
        if self.training and self.auxiliary is not None:
            auxiliary = self.enlarge(self.auxiliary(before), size)
        return Raw(logits, auxiliary)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) of the backbone's last two stages, of (B, channels, H, W) pictures in [0, 1]."""
        before, last = self.backbone(self.normalize(images))[-2:]
        return before, last

    def normalize(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) in [0, 1] -> what the backbone takes, channels-last.

        The last row and column are repeated up to a size that the cells cover evenly.
        """
        if self.config.channel_order == "BGR":
            images = images.flip(1)
        images = (images - self.mean) / self.std
        height, width = (covered(side, self.config) for side in images.shape[2:])
        below, right = height - images.shape[2], width - images.shape[3]
        if below or right:
            images = F.pad(images, (0, right, 0, below), mode="replicate")
        return images.contiguous(memory_format=torch.channels_last)

    def head(self, features: Tensor) -> Tensor:
        """(B, K, h, w) scores of (B, C, h, w) features of the last stage."""
        fused = self.fusion(features, self.pyramid(features))
        scores: Tensor = self.score(self.drop(fused))
        return scores

    def enlarge(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, K, H, W) float32: (B, K, h, w) scores interpolated to pixels."""
        height, width = (covered(side, self.config) for side in size)
        # Interpolation is fastest with channels last, the losses are with channels first.
        layout = torch.contiguous_format if self.training else torch.channels_last
        enlarged = F.interpolate(
            scores.float().contiguous(memory_format=layout),
            size=(height, width),
            mode="bilinear",
            align_corners=self.config.align_corners,
        )
        return enlarged[:, :, : size[0], : size[1]]


def make_backbone(config: Config) -> ResNet | Light:
    """What makes the features."""
    dilate = STRIDES[config.stride]
    if config.backbone == "small":
        return Light(
            config.channels, width=config.width, norm=config.norm, eps=config.norm_eps, dilate=dilate
        )
    return ResNet(
        config.depth,
        inputs=config.channels,
        width=config.width,
        norm=config.norm,
        eps=config.norm_eps,
        dilate=dilate,
        dilate_first=config.dilate_first,
        deep_stem=config.deep_stem,
    )


def covered(side: int, config: Config) -> int:
    """The least number of pixels from `side` on that cells cover evenly: 8 k + 1 as published, or 8 k."""
    more = int(config.align_corners)
    return -(-(side - more) // config.stride) * config.stride + more


def shares(count: int, length: int, like: Tensor, *, align_corners: bool) -> Tensor:
    """What each region has in each place of an enlarged level, seen through the three taps of a convolution.

    Args:
        count: n regions.
        length: of the side that they are enlarged to.
        like: (...) a tensor of the wanted device and type.
        align_corners: how they are enlarged.

    Returns:
        (length, 3 n): row y holds the shares in the rows y - 1, y and y + 1; outside all are 0.
    """
    kind = torch.promote_types(like.dtype, torch.float32)
    single = torch.eye(count, device=like.device, dtype=kind)[None]  # (1, n, n): each region alone
    alone = F.interpolate(single, size=length, mode="linear", align_corners=align_corners)[0]  # (n, length)
    seen = F.pad(alone, (1, 1)).unfold(1, length, 1)  # (n, 3, length)
    return seen.permute(2, 1, 0).reshape(length, 3 * count).to(like.dtype)


def build(config: Config) -> PSPNet:
    """A network with fresh weights, laid out channels-last.

    Raises:
        OcellusError: a setting that no network can have. Exit code 2.
    """
    check_dense(config)
    check_views(config)
    choices: dict[str, tuple[object, ...]] = {
        "backbone": ("resnet", "small"),
        "depth": tuple(BLOCKS),
        "norm": NORMS,
        "stride": tuple(STRIDES),
    }
    for field, allowed in choices.items():
        require(getattr(config, field) in allowed, config, field, f"one of {', '.join(map(str, allowed))}")
    for field in ("width", "head_channels"):
        require(getattr(config, field) >= 1, config, field, "1 or more")
    require(config.norm_eps >= 0, config, "norm_eps", "0 or more")
    require(0 <= config.dropout < 1, config, "dropout", "0 or more and below 1")
    bins = config.bins
    require(0 < len(bins) <= config.width and min(bins) > 0, config, "bins", "1 or more positive numbers")
    swapped = config.channel_order == "BGR" and config.channels != 3
    require(not swapped, config, "channel_order", "RGB where there are not 3 channels")
    residual = config.backbone == "resnet"
    for field in ("deep_stem", "dilate_first", "align_corners"):
        require(residual or not getattr(config, field), config, field, "off for the small backbone")
    return PSPNet(config).to(memory_format=torch.channels_last)
