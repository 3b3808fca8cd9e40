"""True colours as distributions over bins, how much each colour counts, and the losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def encode(ab: Tensor, bins: Tensor, *, neighbours: int = 5, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    """Colours spread over their nearest bins by a Gaussian of the distance (section 2.1).

    Args:
        ab: (..., 2).
        bins: (K, 2).
        neighbours: how many bins.
        sigma: of the Gaussian.

    Returns:
        (..., n) int64 bins, the nearest first, and (..., n) shares whose sum is 1.
    """
    flat = ab.reshape(-1, 2).float()
    squares = torch.cdist(flat, bins.float(), compute_mode="donot_use_mm_for_euclid_dist").square()
    near, places = squares.topk(min(neighbours, len(bins)), largest=False)
    shares = (-(near - near[:, :1]) / (2 * sigma**2)).exp()
    shares = shares / shares.sum(1, keepdim=True)
    shape = (*ab.shape[:-1], places.shape[1])
    return places.reshape(shape), shares.reshape(shape)


def smoothed(counts: Tensor, bins: Tensor, *, sigma: float = 5.0) -> Tensor:
    """(K,) how likely each bin is: counts smoothed by a Gaussian over ab, their sum 1 (section 2.2).

    Args:
        counts: (K,).
        bins: (K, 2).
        sigma: of the Gaussian.
    """
    squares = torch.cdist(bins.double(), bins.double()).square()
    kernel = (-squares / (2 * sigma**2)).exp()
    spread = kernel @ counts.double() / kernel.sum()
    return (spread / spread.sum()).float()


def rarity(prior: Tensor, *, rebalance: float = 0.5) -> Tensor:
    """(K,) how much a pixel of each bin counts: w ~ 1 / ((1 - lambda) p + lambda / K), mean 1 (equation 4).

    Args:
        prior: (K,) how likely each bin is.
        rebalance: lambda.
    """
    weights = 1 / ((1 - rebalance) * prior.double() + rebalance / len(prior))
    return (weights / (prior.double() * weights).sum()).float()


def small_colours(ab: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 2, h, w) true colours at the size of the answer, the mean over each 4x4 pixels.

    Args:
        ab: (B, 2, H, W), which ends before the answer does where the picture was padded.
        size: (h, w).
    """
    spare = (4 * size[1] - ab.shape[3], 4 * size[0] - ab.shape[2])
    if any(spare):
        ab = F.pad(ab, (0, spare[0], 0, spare[1]), mode="replicate")
    return F.avg_pool2d(ab, 4)


def class_loss(
    logits: Tensor, ab: Tensor, bins: Tensor, *, weights: Tensor, neighbours: int = 5, sigma: float = 5.0
) -> Tensor:
    """The cross entropy of distributions over colours, rare colours counting more (equation 2), a mean.

    Args:
        logits: (B, K, h, w).
        ab: (B, 2, H, W) true colours.
        bins: (K, 2).
        weights: (K,) of `rarity`; a pixel has that of its nearest bin.
        neighbours: of `encode`.
        sigma: the same.
    """
    truth = small_colours(ab, (logits.shape[2], logits.shape[3])).permute(0, 2, 3, 1)  # (B, h, w, 2)
    places, shares = encode(truth, bins, neighbours=neighbours, sigma=sigma)
    logs = logits.float().log_softmax(1).permute(0, 2, 3, 1)  # (B, h, w, K)
    entropy = -(logs.gather(-1, places) * shares).sum(-1)
    return (weights[places[..., 0]] * entropy).mean()


def distance_loss(ab: Tensor, truth: Tensor, *, kind: str) -> Tensor:
    """The mean difference of a and b divided by 110 (kind "l1"), or its square ("mse").

    Args:
        ab: (B, 2, H, W).
        truth: (B, 2, H, W).
        kind: l1 or mse.
    """
    apart = (ab - truth) / 110
    return apart.abs().mean() if kind == "l1" else apart.square().mean()
