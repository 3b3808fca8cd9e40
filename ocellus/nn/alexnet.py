"""AlexNet's convolutions, in one column (Krizhevsky 2014, arXiv:1404.5997), as features."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class Conv(NamedTuple):
    """One convolution: its ReLU's output is a level."""

    outputs: int
    kernel: int
    stride: int
    padding: int
    pooled: bool  # whether a 3x3 pooling of stride 2 stands before it


CONVS = (
    Conv(64, 11, 4, 2, False),
    Conv(192, 5, 1, 2, True),
    Conv(384, 3, 1, 1, True),
    Conv(256, 3, 1, 1, False),
    Conv(256, 3, 1, 1, False),
)


class AlexNet(nn.Module):
    """Five convolutions, each followed by a ReLU.

    Args:
        channels: of the input.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = tuple(conv.outputs for conv in CONVS)
        self.convs = nn.ModuleList()
        inputs = channels
        for plan in CONVS:
            conv = nn.Conv2d(inputs, plan.outputs, plan.kernel, stride=plan.stride, padding=plan.padding)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            self.convs.append(conv)
            inputs = plan.outputs

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features after each ReLU of normalized images.

        Args:
            images: (B, channels, H, W), of 63 pixels or more a side.

        Returns:
            five (B, self.channels[i], h, w), at strides 4, 8, 16, 16 and 16.
        """
        features, levels = images, []
        for plan, conv in zip(CONVS, self.convs, strict=True):
            if plan.pooled:
                features = F.max_pool2d(features, 3, stride=2)
            features = F.relu(conv(features))
            levels.append(features)
        return levels


PUBLIC_NAMES = tuple(
    (rf"features\.{place}\.", f"convs.{index}.") for index, place in enumerate((0, 3, 6, 8, 10))
)
"""Names in torchvision's AlexNet, and ours, as `ocellus.nn.renaming` takes them."""
