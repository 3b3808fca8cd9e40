"""How sharp pictures are, by statistics of their gradients: L1 and MSE give blurred ones, a GAN should not.

Sharper than the truth is as wrong as more blurred: noise is sharp too. So every figure stands beside the
truth's, and a distance says how far the two distributions of gradients are apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.image_quality import luminance

POINTS = 2001
"""Quantiles at which two distributions are compared."""


class Sharpness(NamedTuple):
    """Gradients of pictures beside those of true ones.

    Args:
        gradient: mean length of the luminance's gradient, in [0, 1] a pixel.
        truth: the same of the true pictures.
        ratio: the one over the other; below 1: more blurred.
        distance: mean difference of the two distributions of lengths in order (Wasserstein-1).
        samples: pictures and true pictures.
    """

    gradient: float
    truth: float
    ratio: float
    distance: float
    samples: tuple[int, int]


def gradients(images: Tensor) -> Tensor:
    """(B, H - 1, W - 1) lengths of the luminance's gradient, by differences to the right and down.

    Args:
        images: (B, C, H, W) in [0, 1]; of other than three channels, their mean is taken.
    """
    grey = luminance(images)[:, 0] if images.shape[1] == 3 else images.mean(dim=1)
    right = grey[:, :-1, 1:] - grey[:, :-1, :-1]
    down = grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return (right.square() + down.square()).sqrt()


def sharpness(images: Tensor, truth: Tensor) -> Sharpness:
    """Gradients of pictures beside those of true ones, which need not be the same scenes.

    Args:
        images: (N, C, H, W) in [0, 1].
        truth: (M, C, h, w), at the same scale.

    Raises:
        OcellusError: no pictures, or smaller than two pixels.
    """
    for name, side in (("pictures", images), ("true pictures", truth)):
        if side.ndim != 4 or not len(side) or min(side.shape[2:]) < 2:
            raise OcellusError(
                f"{name} of {tuple(side.shape)}: (B, C, H, W) of 2 or more pixels a side are wanted"
            )
    lengths = [gradients(side.detach().double()).flatten() for side in (images, truth)]
    means = [float(side.mean()) for side in lengths]
    places = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS
    ordered = [side.sort().values[(places * len(side)).long()] for side in lengths]
    return Sharpness(
        gradient=means[0],
        truth=means[1],
        ratio=means[0] / means[1] if means[1] else torch.nan,
        distance=float((ordered[0] - ordered[1]).abs().mean()),
        samples=(len(images), len(truth)),
    )
