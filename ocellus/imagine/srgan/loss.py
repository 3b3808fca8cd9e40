"""What an enlarged picture is compared by: pixels, and features of another network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ocellus.imagine.srgan.config import Train


def pixel_loss(pictures: Tensor, truth: Tensor, *, kind: str) -> Tensor:
    """The mean difference of pixels (kind "l1") or its square ("mse", equation 4).

    Args:
        pictures: (B, C, H, W).
        truth: (B, C, H, W).
        kind: l1 or mse.
    """
    apart = pictures.float() - truth
    return apart.abs().mean() if kind == "l1" else apart.square().mean()


def feature_loss(
    features: Mapping[str, Tensor], truth: Mapping[str, Tensor], *, scale: str = "plain"
) -> Tensor:
    """The mean squared difference of features, averaged over layers (equation 5).

    Differs from the paper: the mean over channels, not their sum, as in most implementations; the paper's
    weight 1/12.75² = 0.006 is then a choice of scale like any other.

    Args:
        features: (B, C, h, w) of each layer, of the enlarged pictures.
        truth: the same of the true ones.
        scale: plain; or relative: divided by the mean square of the true ones' features.
    """
    parts = []
    for name, wanted in truth.items():
        wanted = wanted.float()
        part = (features[name].float() - wanted).square().mean()
        parts.append(part / wanted.square().mean().clamp_min(1e-12) if scale == "relative" else part)
    return torch.stack(parts).mean()


def losses(
    pictures: Tensor,
    truth: Tensor,
    train: Train,
    *,
    features: tuple[Mapping[str, Tensor], Mapping[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """The terms that need no adversary, with their weights.

    Args:
        pictures: (B, C, H, W) enlarged.
        truth: (B, C, H, W) in [0, 1].
        train: which terms, and their weights.
        features: of both, where the loss is on features.
    """
    terms = {}
    if train.pixel != "none":
        terms["pixel"] = train.pixel_weight * pixel_loss(pictures, truth, kind=train.pixel)
    if features is not None:
        terms["perceptual"] = train.perceptual * feature_loss(*features, scale=train.perceptual_scale)
    return terms
