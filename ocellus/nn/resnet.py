"""Residual networks of 18, 34, 50 and 101 layers (He 2015, arXiv:1512.03385), as feature extractors."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.norm import NormedConv

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut (section 3.3)."""

    expansion = 1

    def __init__(
        self, inputs: int, width: int, *, stride: int, norm: str, eps: float, stride_in_1x1: bool
    ) -> None:
        super().__init__()
        self.conv1 = NormedConv(inputs, width, kernel=3, stride=stride, norm=norm, eps=eps)
        self.conv2 = NormedConv(width, width, kernel=3, norm=norm, eps=eps)
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
    """

    expansion = 4

    def __init__(
        self, inputs: int, width: int, *, stride: int, norm: str, eps: float, stride_in_1x1: bool
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        outputs = width * self.expansion
        self.conv1 = NormedConv(inputs, width, kernel=1, stride=first, norm=norm, eps=eps)
        self.conv2 = NormedConv(width, width, kernel=3, stride=second, norm=norm, eps=eps)
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
        width: channels of the stem, 64 as published; the stages have 1, 2, 4 and 8 times as many, and 4 times
            that from depth 50 on.
        norm: frozen, batch or group.
        eps: added to the norms' variance.
        stride_in_1x1: a bottleneck's stride is on its first 1x1 convolution (the paper), not on its 3x3.
    """

    def __init__(
        self,
        depth: int,
        *,
        width: int = 64,
        norm: str = "batch",
        eps: float = 1e-5,
        stride_in_1x1: bool = False,
    ) -> None:
        super().__init__()
        block = Basic if depth < 50 else Bottleneck
        self.stem = NormedConv(3, width, kernel=7, stride=2, norm=norm, eps=eps)
        self.stages = nn.ModuleList()
        channels = width
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(
                    block(
                        channels,
                        width << stage,
                        stride=stride,
                        norm=norm,
                        eps=eps,
                        stride_in_1x1=stride_in_1x1,
                    )
                )
                channels = (width << stage) * block.expansion
            self.stages.append(nn.Sequential(*blocks))
        self.channels = tuple((width << stage) * block.expansion for stage in range(4))

    def forward(self, images: Tensor) -> list[Tensor]:
        """C2 to C5 of normalized images.

        Args:
            images: (B, 3, H, W).

        Returns:
            four (B, channels[i], H / s, W / s) at strides s = 4, 8, 16 and 32, sides rounded up.
        """
        features = F.relu_(self.stem(images))  # (B, width, H/2, W/2)
        features = F.max_pool2d(features, 3, stride=2, padding=1)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels
