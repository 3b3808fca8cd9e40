"""RGB and CIE Lab: brightness L from 0 to 100, and the colour as a (green to red) and b (blue to yellow).

sRGB under D65, 2 degrees: the matrix and the white of scikit-image's `rgb2lab`.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""Of linear red, green and blue."""
WHITE = (0.95047, 1.0, 1.08883)
"""X, Y and Z of D65."""
EDGE, SLOPE, OFFSET = 0.008856, 7.787, 16 / 116
"""Below the edge the cube root goes on as a line."""


def rgb_to_lab(images: Tensor) -> Tensor:
    """(B, 3, H, W) L, a and b of (B, 3, H, W) RGB in [0, 1]; of (B, 1, H, W) grey, a and b are 0."""
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    images = images.float()
    linear = torch.where(images > 0.04045, ((images + 0.055).clamp_min(0) / 1.055) ** 2.4, images / 12.92)
    xyz = _mixed(linear, _tables()[0])
    curved = torch.where(xyz > EDGE, xyz.clamp_min(EDGE) ** (1 / 3), SLOPE * xyz + OFFSET)
    x, y, z = curved.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """(B, 3, H, W) RGB of (B, 3, H, W) L, a and b; colours that RGB does not have are clamped to [0, 1]."""
    light, a, b = lab.float().unbind(1)
    y = (light + 16) / 116
    curved = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], 1)
    xyz = torch.where(curved > 0.2068966, curved**3, (curved - OFFSET) / SLOPE)
    linear = _mixed(xyz, _tables()[1])
    bent = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, bent, 12.92 * linear).clamp(0, 1)


@cache
def _tables() -> tuple[Tensor, Tensor]:
    """(3, 3) from linear RGB to X, Y, Z as shares of white, and back."""
    there = torch.tensor(TO_XYZ, dtype=torch.float64) / torch.tensor(WHITE, dtype=torch.float64)[:, None]
    return there.float(), torch.linalg.inv(there).float()


def _mixed(images: Tensor, table: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return torch.einsum("kc,bchw->bkhw", table.to(images), images)
