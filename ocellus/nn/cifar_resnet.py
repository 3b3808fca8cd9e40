"""ResNets for pictures of 32 x 32 pixels (He 2015, arXiv:1512.03385, section 4.2), as feature extractors."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.norm import NormedConv
from ocellus.nn.resnet import Basic

DEPTHS = (20, 32, 44, 56, 110)
"""6 n + 2 layers for n blocks in each of three stages."""


class Halved(nn.Module):
    """A shortcut without weights: every second row and column, and channels of zeros around ("option A").

    Args:
        added: channels of zeros, half of them before the given ones and half behind.
    """

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, features: Tensor) -> Tensor:
        before = self.added // 2
        return F.pad(features[:, :, ::2, ::2], (0, 0, 0, 0, before, self.added - before))


class CifarResNet(nn.Module):
    """The convolutional part: one 3x3 convolution, and three stages of blocks at strides 1, 2 and 4.

    Args:
        depth: 20, 32, 44, 56 or 110.
        channels: of the pictures.
        width: channels of the first stage, 16 as published; the others have 2 and 4 times as many.
        norm: batch, group or frozen.
        eps: added to the norms' variance.
        stages: 3 as published; 2 or 1: without the coarser ones.
    """

    def __init__(
        self,
        depth: int = 20,
        *,
        channels: int = 3,
        width: int = 16,
        norm: str = "batch",
        eps: float = 1e-5,
        stages: int = 3,
    ) -> None:
        super().__init__()
        self.stem = NormedConv(channels, width, kernel=3, norm=norm, eps=eps)
        self.channels = (width, 2 * width, 4 * width)[:stages]
        self.stages = nn.ModuleList()
        inputs = width
        for outputs in self.channels:
            blocks = []
            for _ in range((depth - 2) // 6):
                stride = 1 if inputs == outputs else 2
                block = Basic(inputs, outputs, stride=stride, norm=norm, eps=eps, stride_in_1x1=False)
                if stride == 2:
                    block.shortcut = Halved(outputs - inputs)
                blocks.append(block)
                inputs = outputs
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of normalized images.

        Args:
            images: (B, channels, H, W).

        Returns:
            (B, self.channels[i], H / s, W / s) of each stage, at strides s = 1, 2 and 4, sides rounded up.
        """
        features = F.relu_(self.stem(images))  # (B, width, H, W)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels
