"""Average pooling and the Haar transform as operators with an exact inverse, and convolutions over both.

With Φ the orthonormal average pooling of 2x2 pixels (its columns are 1/2 on a block, ΦᵀΦ = I) and T_k the
Haar bands (T_1 = Φ, Σ T_k T_kᵀ = I). Here the analysis is scaled by 1/2 and the synthesis by 2: a constant
stays what it is from level to level, and every product T_k T_kᵀ, which is all that frames are about, is the
same. The derivation stands in `ocellus/see/unet/README.md`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SIGNS = (
    ((1, 1), (1, 1)),  # LL, the mean
    ((1, 1), (-1, -1)),  # LH, high from top to bottom
    ((1, -1), (1, -1)),  # HL, high from left to right
    ((1, -1), (-1, 1)),  # HH
)
"""What each Haar band looks like over its 2x2 pixels."""

FULL = -1

FEW = 1024
"""Pixels of a batch below which making the larger kernel takes longer than it saves."""


class Part(NamedTuple):
    """Some of the channels that a convolution looks at.

    Args:
        features: (B, n C, H, W); of bands (B, n C, H / 2, W / 2), band after band.
        first: -1 for features at full resolution, else the index of the first of n bands in `SIGNS`.
        bands: n.
    """

    features: Tensor
    first: int = FULL
    bands: int = 1


def pool(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H / 2, W / 2) means of 2x2 pixels: half of Φᵀ."""
    return F.avg_pool2d(features, 2)


def unpool(low: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 2 h, 2 w), each value four times: twice Φ."""
    return F.interpolate(low, scale_factor=2, mode="nearest")


def haar(features: Tensor) -> tuple[Tensor, Tensor]:
    """The Haar transform of 2x2 pixels: half of T_kᵀ.

    Args:
        features: (B, C, H, W), H and W even.

    Returns:
        (B, C, H / 2, W / 2) means, LL, and (B, 3 C, H / 2, W / 2) the bands LH, HL and HH.
    """
    top, bottom = features[..., 0::2, :], features[..., 1::2, :]
    upper, lower = top[..., 0::2] + top[..., 1::2], bottom[..., 0::2] + bottom[..., 1::2]
    left, right = top[..., 0::2] - top[..., 1::2], bottom[..., 0::2] - bottom[..., 1::2]
    bands = torch.cat([upper - lower, left + right, left - right], dim=1)
    return (upper + lower) * 0.25, bands * 0.25


def inverse_haar(low: Tensor, high: Tensor) -> Tensor:
    """(B, C, h, w) means and (B, 3 C, h, w) bands -> (B, C, 2 h, 2 w): twice T_k each, summed."""
    return synthesized(Part(torch.cat([low, high], dim=1), 0, 4))


def upsampled(part: Part) -> Tensor:
    """What each band of a part is at full resolution: (B, n C, H, W)."""
    if part.first == FULL:
        return part.features
    signs = SIGNS[part.first : part.first + part.bands]
    maps = []
    for sign, band in zip(signs, part.features.chunk(part.bands, dim=1), strict=True):
        if sign == SIGNS[0]:
            maps.append(unpool(band))
            continue
        rows = [torch.stack([u * band, v * band], dim=-1).flatten(-2) for u, v in sign]
        maps.append(torch.stack(rows, dim=-2).flatten(-3, -2))  # (B, C, h, 2, 2 w) -> (B, C, 2 h, 2 w)
    return torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]


def synthesized(part: Part) -> Tensor:
    """What a part is at full resolution, its bands summed: (B, C, H, W)."""
    return torch.stack(upsampled(part).chunk(part.bands, dim=1)).sum(dim=0)


def convolved(parts: tuple[Part, ...], weight: Tensor, bias: Tensor | None, *, padding: int) -> Tensor:
    """A 3x3 convolution over the channels of all parts side by side at full resolution.

    Neither are the parts copied together nor the bands enlarged: a convolution of side-by-side channels is
    the sum of theirs, and one of enlarged channels is a transposed convolution of the small ones with a 4x4
    kernel, at 16 instead of 36 multiplications for each of their pixels; only of few pixels it does not pay.

    Args:
        parts: n C channels each, together I.
        weight: (O, I, 3, 3), channels in the order of the parts.
        bias: (O,).
        padding: 1 (same size) or 0 (2 pixels smaller).

    Returns:
        (B, O, H, W), or (B, O, H - 2, W - 2).
    """
    weights = torch.split(weight, [part.features.shape[1] for part in parts], dim=1)
    total: Tensor | None = None
    for part, own in zip(parts, weights, strict=True):
        first = bias if total is None else None
        small = part.features.shape[0] * part.features.shape[2] * part.features.shape[3] < FEW
        if part.first == FULL or small:
            answer = F.conv2d(upsampled(part), own, first, padding=padding)
        else:
            kernel = band_kernel(own, first=part.first, bands=part.bands)
            answer = F.conv_transpose2d(part.features, kernel, first, stride=2, padding=2 - padding)
        total = answer if total is None else total + answer
    assert total is not None
    return total


def band_kernel(weight: Tensor, *, first: int, bands: int) -> Tensor:
    """The 4x4 transposed convolution that is a 3x3 convolution over enlarged bands.

    With y[2 j + u] = s(u) h[j] and o[m] = Σ_d W[d] y[m + d - 1], the pixel h[j] reaches o[2 j - 1 + e]
    through K[e] = Σ_u s(u) W[u - e + 2], along each axis.

    Args:
        weight: (O, n C, 3, 3).
        first: index of the first band in `SIGNS`.
        bands: n.

    Returns:
        (n C, O, 4, 4).
    """
    flipped = weight.flip(2, 3)
    kernels = []
    for own, signs in zip(flipped.chunk(bands, dim=1), SIGNS[first : first + bands], strict=True):
        shifted = [signs[u][v] * F.pad(own, (v, 1 - v, u, 1 - u)) for u in (0, 1) for v in (0, 1)]
        kernels.append(shifted[0] + shifted[1] + shifted[2] + shifted[3])
    return torch.cat(kernels, dim=1).transpose(0, 1)
