"""Feature pyramid network (Lin 2017, arXiv:1612.03144)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class FeaturePyramid(nn.Module):
    """A top-down path with lateral connections, and a coarser level for the largest anchors.

    Args:
        inputs: channels of C2 to C5.
        channels: of every level of the pyramid.
    """

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in inputs)
        self.output = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in inputs)
        for conv in (*self.lateral, *self.output):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """P2 to P6 from C2 to C5 (section 3).

        Args:
            levels: (B, inputs[i], h, w) each, finest first, each about half as large as the one before.

        Returns:
            (B, channels, h, w) for each, and P6: every second position of P5 (section 4.1, footnote 2).
        """
        merged = self.lateral[-1](levels[-1])
        pyramid = [self.output[-1](merged)]
        for index in range(len(levels) - 2, -1, -1):
            lateral = self.lateral[index](levels[index])
            lateral += F.interpolate(merged, size=lateral.shape[-2:], mode="nearest")
            merged = lateral
            pyramid.insert(0, self.output[index](merged))
        pyramid.append(F.max_pool2d(pyramid[-1], 1, stride=2))
        return pyramid
