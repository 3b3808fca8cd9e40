"""Normalization, and convolutions that carry one."""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORMS = ("frozen", "batch", "group")


class FrozenNorm(nn.Module):
    """Batch normalization whose statistics, weight and bias are constants: buffers that no optimizer sees.

    Args:
        channels: C of the input (B, C, H, W).
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        scale, shift = affine(self)
        return features * scale[:, None, None] + shift[:, None, None]


class NormedConv(nn.Module):
    """A convolution without bias, followed by its normalization.

    A frozen norm is a constant scale and shift, and is folded into the convolution's weights instead of
    running over the features: one pass less over memory forward, two less backward.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, padded to keep the size at stride 1.
        stride: step of the convolution.
        dilation: step between the kernel's taps.
        norm: frozen, batch or group.
        eps: added to the variance.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        norm: str,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel,
            stride=stride, padding=kernel // 2 * dilation, dilation=dilation, bias=False,
        )  # fmt: skip
        self.norm = make_norm(norm, outputs, eps=eps)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        if isinstance(self.norm, FrozenNorm):
            scale, shift = affine(self.norm)
            weight = self.conv.weight * scale[:, None, None, None]
            conv = self.conv
            return F.conv2d(
                features, weight, shift, stride=conv.stride, padding=conv.padding, dilation=conv.dilation
            )
        normed: Tensor = self.norm(self.conv(features))
        return normed


def make_norm(kind: str, channels: int, *, eps: float = 1e-5) -> nn.Module:
    """A normalization of C channels: frozen, batch or group.

    Groups are 32, as published (Wu 2018, arXiv:1803.08494), fewer where that would leave one channel a group.
    """
    if kind == "frozen":
        return FrozenNorm(channels, eps=eps)
    if kind == "batch":
        return nn.BatchNorm2d(channels, eps=eps)
    groups = 1 if channels % 2 else gcd(32, channels // 2)
    return nn.GroupNorm(groups, channels, eps=eps)


def affine(norm: FrozenNorm | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """(C,) scale and (C,) shift that a norm of fixed statistics amounts to."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return scale, norm.bias - mean * scale


def folded(layer: NormedConv) -> nn.Conv2d:
    """One plain convolution with bias that answers as `layer` does when it is not training."""
    norm = layer.norm
    if not isinstance(norm, (FrozenNorm, nn.BatchNorm2d)):
        raise ValueError(f"{type(norm).__name__} depends on its input and cannot be folded")
    scale, shift = affine(norm)
    old = layer.conv
    kernel, dilation = old.kernel_size[0], old.dilation[0]
    conv = nn.Conv2d(
        old.in_channels, old.out_channels, kernel,
        stride=old.stride[0], padding=kernel // 2 * dilation, dilation=dilation,
    )  # fmt: skip
    conv.weight = nn.Parameter((old.weight * scale[:, None, None, None]).detach())
    conv.bias = nn.Parameter(shift.detach().clone())
    return conv
