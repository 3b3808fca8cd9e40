"""Residual networks of 18, 34, 50 and 101 layers (He 2015, arXiv:1512.03385), as feature extractors.

For dense prediction the last stages can be dilated in place of strided (Chen 2014, arXiv:1412.7062; Yu 2017,
arXiv:1705.09914): the taps of their 3x3 convolutions lie apart, and they look as far at a finer resolution.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.norm import NormedConv

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut (section 3.3).

    Args:
        inputs: channels in.
        width: channels of both convolutions.
        stride: of the first.
        norm: frozen, batch or group.
        eps: added to the norms' variance.
        stride_in_1x1: there is no 1x1 convolution, and this makes no difference.
        dilation: of the first and the second convolution.
    """

    expansion = 1

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        stride: int,
        norm: str,
        eps: float,
        stride_in_1x1: bool,
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        first, second = dilation
        self.conv1 = NormedConv(inputs, width, kernel=3, stride=stride, dilation=first, norm=norm, eps=eps)
        self.conv2 = NormedConv(width, width, kernel=3, dilation=second, norm=norm, eps=eps)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = NormedConv(inputs, width, kernel=1, stride=stride, norm=norm, eps=eps)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.conv2(F.relu_(self.conv1(features)))
        inner += self.shortcut(features)
        return F.relu_(inner)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (section 4.1, "deeper bottleneck architectures").

    Differs from the paper: the stride is on the 3x3 convolution unless `stride_in_1x1`, as in torchvision.

    Args:
        inputs: channels in.
        width: channels of the first two convolutions; the third has four times as many.
        stride: of one of them.
        norm: frozen, batch or group.
        eps: added to the norms' variance.
        stride_in_1x1: which one.
        dilation: that of the 3x3 convolution comes first; the second is for blocks of two.
    """

    expansion = 4

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        stride: int,
        norm: str,
        eps: float,
        stride_in_1x1: bool,
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        outputs = width * self.expansion
        self.conv1 = NormedConv(inputs, width, kernel=1, stride=first, norm=norm, eps=eps)
        self.conv2 = NormedConv(
            width, width, kernel=3, stride=second, dilation=dilation[0], norm=norm, eps=eps
        )
        self.conv3 = NormedConv(width, outputs, kernel=1, norm=norm, eps=eps)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = NormedConv(inputs, outputs, kernel=1, stride=stride, norm=norm, eps=eps)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.relu_(self.conv1(features))
        inner = self.conv3(F.relu_(self.conv2(inner)))
        inner += self.shortcut(features)
        return F.relu_(inner)


class ResNet(nn.Module):
    """The convolutional part of a ResNet.

    Args:
        depth: 18, 34, 50 or 101.
        inputs: channels of the pictures.
        width: channels of the stem, 64 as published; the stages have 1, 2, 4 and 8 times as many, and 4 times
            that from depth 50 on.
        norm: frozen, batch or group.
        eps: added to the norms' variance.
        stride_in_1x1: a bottleneck's stride is on its first 1x1 convolution (the paper), not on its 3x3.
        dilate: of the third and the fourth stage, whether its stride is replaced by dilation.
        dilate_first: a dilated stage's first 3x3 convolution is dilated as its others are (PSPNet), not as
            the stage before (torchvision), which sees what the strided one would have.
        deep_stem: three 3x3 convolutions, the last of 2 width channels (PSPNet), for the one of 7x7.
    """

    def __init__(
        self,
        depth: int,
        *,
        inputs: int = 3,
        width: int = 64,
        norm: str = "batch",
        eps: float = 1e-5,
        stride_in_1x1: bool = False,
        dilate: tuple[bool, bool] = (False, False),
        dilate_first: bool = False,
        deep_stem: bool = False,
    ) -> None:
        super().__init__()
        block = Basic if depth < 50 else Bottleneck
        self.stem: nn.Module = NormedConv(inputs, width, kernel=7, stride=2, norm=norm, eps=eps)
        if deep_stem:
            self.stem = make_deep_stem(inputs, width, norm=norm, eps=eps)
        self.stages = nn.ModuleList()
        channels = 2 * width if deep_stem else width
        dilation = 1
        strides: list[int] = []
        for stage, count in enumerate(BLOCKS[depth]):
            stride, before = 2 if stage else 1, dilation
            if stage >= 2 and dilate[stage - 2]:
                stride, dilation = 1, 2 * dilation
            strides.append((strides[-1] if stage else 4) * stride)
            blocks = []
            for index in range(count):
                first = dilation if index or dilate_first else before
                blocks.append(
                    block(
                        channels,
                        width << stage,
                        stride=1 if index else stride,
                        norm=norm,
                        eps=eps,
                        stride_in_1x1=stride_in_1x1,
                        dilation=(first, dilation),
                    )
                )
                channels = (width << stage) * block.expansion
            self.stages.append(nn.Sequential(*blocks))
        self.strides = tuple(strides)
        self.channels = tuple((width << stage) * block.expansion for stage in range(4))

    def forward(self, images: Tensor) -> list[Tensor]:
        """C2 to C5 of normalized images.

        Args:
            images: (B, inputs, H, W).

        Returns:
            four (B, channels[i], H / s, W / s) at strides s = 4, 8, 16 and 32, or 8 where dilated, sides
            rounded up.
        """
        features = F.relu_(self.stem(images))  # (B, width, H/2, W/2)
        features = F.max_pool2d(features, 3, stride=2, padding=1)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels


def make_deep_stem(inputs: int, width: int, *, norm: str, eps: float) -> nn.Sequential:
    """(B, inputs, H, W) -> (B, 2 width, H/2, W/2) by three 3x3 convolutions, the last without its ReLU."""
    return nn.Sequential(
        NormedConv(inputs, width, kernel=3, stride=2, norm=norm, eps=eps),
        nn.ReLU(inplace=True),
        NormedConv(width, width, kernel=3, norm=norm, eps=eps),
        nn.ReLU(inplace=True),
        NormedConv(width, 2 * width, kernel=3, norm=norm, eps=eps),
    )


PUBLIC_NAMES = (
    (r"conv1\.", r"backbone.stem.conv."),
    (r"bn1\.", r"backbone.stem.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.conv."),
    (r"layer(\d)\.(\d+)\.bn(\d)\.", r"backbone.stages.{0-1}.{1}.conv{2}.norm."),
    (r"layer(\d)\.(\d+)\.downsample\.0\.", r"backbone.stages.{0-1}.{1}.shortcut.conv."),
    (r"layer(\d)\.(\d+)\.downsample\.1\.", r"backbone.stages.{0-1}.{1}.shortcut.norm."),
)
"""Names in torchvision's ResNets, and ours of a network's `backbone`, as `ocellus.nn.renaming` takes them."""


def public_depth(state: Mapping[str, Tensor]) -> int:
    """The depth of the ResNet that renamed tensors are of.

    Args:
        state: under our names; of any shapes.

    Raises:
        OcellusError: it has other stages than the published ones.
    """
    counts = tuple(
        len({name.split(".")[3] for name in state if name.startswith(f"backbone.stages.{stage}.")})
        for stage in range(4)
    )
    bottlenecks = "backbone.stages.0.0.conv3.conv.weight" in state
    depths = [depth for depth, blocks in BLOCKS.items() if blocks == counts and (depth >= 50) == bottlenecks]
    if not depths:
        raise OcellusError(
            f"the checkpoint's ResNet has stages of {counts} blocks; known are depths "
            f"{', '.join(map(str, BLOCKS))}"
        )
    return depths[0]
