"""Transposed convolutions that begin as bilinear interpolation (Long 2015, arXiv:1411.4038, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def bilinear_kernel(factor: int) -> Tensor:
    """The kernel with which a transposed convolution of this stride interpolates bilinearly.

    Args:
        factor: of enlargement, 1 or more.

    Returns:
        (k, k) float32, k = 2 factor - factor mod 2: the outer product of a tent, (1/4, 3/4, 3/4, 1/4) for 2.
    """
    side = 2 * factor - factor % 2
    tent = 1 - (torch.arange(side) - (side - 1) / 2).abs() / factor
    return tent[:, None] * tent


class Upsampling(nn.Module):
    """A transposed convolution without bias, at first bilinear interpolation of each channel by itself.

    Args:
        channels: C of the input and the output.
        factor: of enlargement.
        learned: its kernel (C, C, k, k) is a parameter and may come to mix channels; otherwise it is a
            buffer, which no optimizer sees.
        mixed: the buffer is (C, C, k, k) too, for a kernel read from a checkpoint; otherwise (1, 1, k, k) for
            every channel.
    """

    weight: Tensor

    def __init__(self, channels: int, factor: int, *, learned: bool, mixed: bool = False) -> None:
        super().__init__()
        self.factor = factor
        kernel = bilinear_kernel(factor)
        if learned or mixed:
            weight = torch.zeros(channels, channels, *kernel.shape)
            weight[torch.arange(channels), torch.arange(channels)] = kernel
        else:
            weight = kernel[None, None]
        if learned:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, factor (h - 1) + k, factor (w - 1) + k), nothing cut off.

        Row j of the answer is the interpolated row j - (k - factor) / 2; the rim fades to zero. Reckoned in
        float32: in bfloat16 a 64x64 kernel is up to a thousand times slower on a CPU.
        """
        channels = features.shape[1]
        kernel, groups = self.weight.float(), 1
        if len(kernel) != channels:
            kernel, groups = kernel.expand(channels, 1, -1, -1), channels
        with torch.autocast(features.device.type, enabled=False):
            enlarged = F.conv_transpose2d(features.float(), kernel, stride=self.factor, groups=groups)
        return enlarged.to(self.weight.dtype)
