"""Networks that make a picture of a picture: a residual one and a U-Net, any size in, the same size out.

Residual: Johnson 2016, arXiv:1603.08155, as CycleGAN has it: Zhu 2017, arXiv:1703.10593, section 7.2.
U-Net: Isola 2017, arXiv:1611.07004, section 6.1. Pictures are in [0, 1] on both sides, in [-1, 1] inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.patchgan import SLOPE, patch_norm
from ocellus.nn.tiles import reflected

Conv = TypeVar("Conv", bound=nn.Conv2d | nn.ConvTranspose2d)

GENERATOR_NORMS = ("batch", "instance")
DROPPED = 3  # levels of the U-Net's decoder with dropout, section 6.1
CHANCE = 0.5  # that a value is dropped there
MOST_WIDER = 8  # the U-Net's widths are 1, 2, 4, 8, 8, ... times the first


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions over mirrored borders, added to what comes in.

    Args:
        channels: C of the features.
        norm: batch or instance.
        dropout: drop values between the two.
    """

    def __init__(self, channels: int, *, norm: str, dropout: bool) -> None:
        super().__init__()
        self.first = generator_conv(channels, channels, 3, norm=norm)
        self.first_norm = patch_norm(norm, channels)
        self.dropout = nn.Dropout(CHANCE if dropout else 0.0)
        self.second = generator_conv(channels, channels, 3, norm=norm)
        self.second_norm = patch_norm(norm, channels)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.first(F.pad(features, (1, 1, 1, 1), mode="reflect"))
        inner = self.dropout(F.relu_(self.first_norm(inner)))
        inner = self.second(F.pad(inner, (1, 1, 1, 1), mode="reflect"))
        added: Tensor = features + self.second_norm(inner)
        return added


class ResidualGenerator(nn.Module):
    """c7s1-w, d2w, d4w, residual blocks at a quarter of the size, u2w, uw, c7s1-3, as the paper writes it.

    Args:
        channels: C of the pictures that come in.
        outputs: C of those that go out.
        width: channels of the first convolution, 64 as published.
        blocks: 9 as published for 256 pixels and more, 6 for 128.
        norm: batch or instance.
        dropout: in each block.
        upsampling: see `up_conv`.
    """

    stride = 4

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        width: int = 64,
        blocks: int = 9,
        norm: str = "instance",
        dropout: bool = False,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        self.stem = generator_conv(channels, width, 7, norm=norm)
        self.stem_norm = patch_norm(norm, width)
        widths = (width, 2 * width, 4 * width)
        self.downs = nn.ModuleList(
            generator_conv(inputs, 2 * inputs, 3, norm=norm, stride=2, padding=1) for inputs in widths[:2]
        )
        self.down_norms = nn.ModuleList(patch_norm(norm, after) for after in widths[1:])
        self.blocks = nn.ModuleList(
            ResidualBlock(widths[2], norm=norm, dropout=dropout) for _ in range(blocks)
        )
        self.ups = nn.ModuleList(
            up_conv(inputs, inputs // 2, 3, norm=norm, upsampling=upsampling) for inputs in widths[:0:-1]
        )
        self.up_norms = nn.ModuleList(patch_norm(norm, after) for after in widths[1::-1])
        self.head = generator_conv(width, outputs, 7, norm="none")

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, C', H, W) float32 in [0, 1]."""
        features = F.pad(inward(images, self.stride, least=2 * self.stride), (3, 3, 3, 3), mode="reflect")
        features = F.relu_(self.stem_norm(self.stem(features)))
        for conv, norm in zip(self.downs, self.down_norms, strict=True):
            features = F.relu_(norm(conv(features)))  # (B, 4w, H / 4, W / 4) at the end
        for block in self.blocks:
            features = block(features)
        for conv, norm in zip(self.ups, self.up_norms, strict=True):
            features = F.relu_(norm(conv(features)))
        return outward(self.head(F.pad(features, (3, 3, 3, 3), mode="reflect")), images.shape)


class UnetGenerator(nn.Module):
    """`depth` 4x4 convolutions of stride 2 down to one pixel of 2^depth, as many up, each beside its skip.

    The first convolution and the innermost have no norm: batch norm of one pixel of one picture is 0.

    Args:
        channels: C of the pictures that come in.
        outputs: C of those that go out.
        width: channels of the first convolution; they double up to 8 times.
        depth: 8 as published, for pictures of 256 pixels.
        norm: batch or instance.
        dropout: in three levels of the decoder, of those that have 8 times the width.
        dropout_first: innermost levels of the decoder before those three: 0 as published, 1 in the authors'
            port to PyTorch.
        upsampling: see `up_conv`.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        width: int = 64,
        depth: int = 8,
        norm: str = "batch",
        dropout: bool = True,
        dropout_first: int = 0,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        self.depth = depth
        widths = [width * min(1 << level, MOST_WIDER) for level in range(depth)]
        inputs = [channels, *widths]
        self.downs = nn.ModuleList(
            generator_conv(inputs[level], widths[level], 4, norm=norm, stride=2, padding=1)
            for level in range(depth)
        )
        self.down_norms = nn.ModuleList(
            patch_norm(norm, widths[level]) if 0 < level < depth - 1 else nn.Identity()
            for level in range(depth)
        )
        # ups[level] brings the features back to what level's convolution was given.
        self.ups = nn.ModuleList()
        for level in range(depth):
            joined = widths[level] if level == depth - 1 else 2 * widths[level]
            after = outputs if level == 0 else widths[level - 1]
            kind = norm if level else "none"
            self.ups.append(up_conv(joined, after, 4, norm=kind, upsampling=upsampling))
        self.up_norms = nn.ModuleList(
            patch_norm(norm, widths[level - 1]) if level else nn.Identity() for level in range(depth)
        )
        first = depth - 1 - dropout_first
        dropped = range(max(4, first - DROPPED + 1), first + 1) if dropout else range(0)
        self.dropouts = nn.ModuleList(
            nn.Dropout(CHANCE if level in dropped else 0.0) for level in range(depth)
        )

    @property
    def stride(self) -> int:
        """Pixels of the picture that the innermost features make one of."""
        return 1 << self.depth

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, C', H, W) float32 in [0, 1]."""
        features = self.downs[0](inward(images, self.stride))
        skips = []
        for level in range(1, self.depth):
            skips.append(F.relu(features))
            features = self.downs[level](F.leaky_relu(features, SLOPE))
            features = self.down_norms[level](features)
        features = F.relu_(features)
        for level in range(self.depth - 1, 0, -1):
            features = self.dropouts[level](self.up_norms[level](self.ups[level](features)))
            features = torch.cat([skips[level - 1], F.relu_(features)], dim=1)
        return outward(self.ups[0](features), images.shape)


def inward(images: Tensor, stride: int, *, least: int = 0) -> Tensor:
    """(B, C, H, W) in [0, 1] -> (B, C, H', W') in [-1, 1], sides that are multiples of a stride.

    Below and to the right the pictures go on as their mirror image. The layout is channels-last: its
    convolutions are the faster ones on CPUs.

    Args:
        images: of any size.
        stride: of the network.
        least: pixels that each side has at least.
    """
    height, width = (max(-(-side // stride) * stride, least) for side in images.shape[2:])
    features = images * 2 - 1
    if (height, width) != tuple(images.shape[2:]):
        rows = reflected(0, height, images.shape[2]).to(images.device)
        columns = reflected(0, width, images.shape[3]).to(images.device)
        features = features[:, :, rows][..., columns]
    return features.contiguous(memory_format=torch.channels_last)


def outward(features: Tensor, size: torch.Size) -> Tensor:
    """The last features (B, C, H', W') -> pictures (B, C, H, W) float32 in [0, 1], by tanh."""
    pictures = torch.tanh(features[..., : size[2], : size[3]].float()) * 0.5 + 0.5
    return pictures.contiguous()


def generator_conv(
    inputs: int, outputs: int, kernel: int, *, norm: str, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """A convolution with weights of N(0, 0.02); batch norm behind it has a shift of its own."""
    bias = norm != "batch"
    return started(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias))


class Doubled(nn.Conv2d):
    """Each value doubled to both sides, then a 3x3 convolution (Odena 2016, doi:10.23915/distill.00003)."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2 H, 2 W)."""
        return super().forward(F.interpolate(input, scale_factor=2.0))


def up_conv(
    inputs: int, outputs: int, kernel: int, *, norm: str, upsampling: str = "transposed"
) -> nn.ConvTranspose2d | Doubled:
    """What doubles the size, with weights of N(0, 0.02).

    Args:
        inputs: channels.
        outputs: channels.
        kernel: of a transposed convolution.
        norm: that is behind it; batch norm has a shift of its own.
        upsampling: transposed, as published, which leaves a pattern of 2 pixels; or nearest: values are
            doubled, and a 3x3 convolution follows.
    """
    if upsampling == "nearest":
        return started(Doubled(inputs, outputs, 3, padding=1, bias=norm != "batch"))
    conv = nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=2, padding=1, output_padding=kernel % 2, bias=norm != "batch"
    )
    return started(conv)


def started(conv: Conv) -> Conv:
    """The convolution with fresh weights of N(0, 0.02) and no bias."""
    nn.init.normal_(conv.weight, std=0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


@contextmanager
def as_trained(network: nn.Module) -> Iterator[None]:
    """Meanwhile dropout drops and batch norms use the picture's own statistics, as in training.

    This is how pix2pix is published to be run (Isola 2017, section 3.4). Unlike in train mode, the running
    statistics stay as they are.
    """
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = [(module, module.training) for module in (*dropouts, *norms)]
    tracks = [norm.track_running_stats for norm in norms]
    for module in (*dropouts, *norms):
        module.training = True
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, track in zip(norms, tracks, strict=True):
            norm.track_running_stats = track
