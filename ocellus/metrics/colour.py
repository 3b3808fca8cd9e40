"""How near colours are to the true ones, and how colourful a picture is. All of a and b of CIE Lab."""

from __future__ import annotations

import math

import torch
from torch import Tensor

PEAK = 220.0
"""From -110 to 110, between which a and b lie."""
MOST = 150
"""Distance in ab up to which accuracies are averaged (Zhang 2016, arXiv:1603.08511, section 3.1)."""


def ab_psnr(ab: Tensor, truth: Tensor) -> float:
    """PSNR in dB of a and b, for a peak of 220; infinity where both are the same.

    Args:
        ab: (2, H, W).
        truth: (2, H, W).
    """
    error = float((ab.double() - truth.double()).square().mean())
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def accuracy_area(ab: Tensor, truth: Tensor, *, weights: Tensor | None = None) -> float:
    """The share of pixels whose colour is within a distance of the true one, averaged over 0 to 150.

    The paper's "AuC" (section 3.1): raw accuracy; with weights, accuracy rebalanced by how rare a colour is.

    Args:
        ab: (2, H, W).
        truth: (2, H, W).
        weights: (H, W) how much each pixel counts; None: all alike.

    Returns:
        0 to 1.
    """
    apart = (ab.float() - truth.float()).square().sum(0).sqrt().flatten()  # (H W,)
    shares = torch.full_like(apart, 1 / len(apart)) if weights is None else weights.flatten() / weights.sum()
    # A pixel at distance d is right at the whole thresholds from d to 150: ceil(d) of the 151 are missed.
    right = (MOST + 1 - apart.ceil()).clamp_min(0) / (MOST + 1)
    return float((shares * right).sum())


def colourfulness(image: Tensor) -> float:
    """How colourful a picture is (Hasler and Süsstrunk 2003, doi:10.1117/12.477378), 0 of grey to about 100.

    Args:
        image: (3, H, W) RGB in [0, 1].
    """
    red, green, blue = (255 * image.double()).unbind(0)
    first, second = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(first.std(correction=0)), float(second.std(correction=0)))
    return spread + 0.3 * math.hypot(float(first.mean()), float(second.mean()))
