"""Losses of networks that give every pixel a class: functions of logits (B, K, H, W) and maps (B, H, W).

Pixels labelled 255 are left out. A loss is a mean over the other pixels; with weights a weighted mean, the
sum of weight times loss over the sum of weights, so that weights say which pixels count more, and not how
large the steps are. A batch without any label gives 0 with gradients of 0, for processes that train together
always exchange gradients.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

LOSSES = ("cross_entropy", "balanced", "focal", "dice", "boundary", "ohem", "cross_entropy+dice")


def segmentation_loss(
    logits: Tensor,
    maps: Tensor,
    *,
    kind: str = "cross_entropy",
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    gamma: float = 2.0,
    keep: float = 1 / 16,
) -> Tensor:
    """The loss of a name.

    Args:
        logits: (B, K, H, W).
        maps: (B, H, W) int64, 0 to K-1, or 255.
        kind: cross_entropy; balanced (cross entropy with class weights, of this batch where none are given);
            focal; dice; boundary (cross entropy with more weight near borders); ohem; cross_entropy+dice.
        weights: (B, H, W) of the pixels.
        class_weights: (K,).
        gamma: of the focal loss.
        keep: least share of the pixels that OHEM keeps.

    Returns:
        () the loss.

    Raises:
        OcellusError: there is no such loss.
    """
    if kind not in LOSSES:
        raise OcellusError(f"there is no loss {kind!r}; there is {', '.join(LOSSES)}", exit_code=2)
    if kind == "balanced" and class_weights is None:
        class_weights = balanced_class_weights(class_counts(maps, classes=logits.shape[1]))
    if kind == "boundary":
        borders = boundary_weights(maps)
        weights = borders if weights is None else borders * weights
    if kind == "focal":
        return focal(logits, maps, weights=weights, class_weights=class_weights, gamma=gamma)
    if kind == "dice":
        return dice(logits, maps, weights=weights, class_weights=class_weights)
    if kind == "ohem":
        return ohem(logits, maps, weights=weights, class_weights=class_weights, keep=keep)
    loss = cross_entropy(logits, maps, weights=weights, class_weights=class_weights)
    if kind == "cross_entropy+dice":
        loss = loss + dice(logits, maps, weights=weights, class_weights=class_weights)
    return loss


def cross_entropy(
    logits: Tensor, maps: Tensor, *, weights: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """Mean of -log p of each pixel's class; with both weights a pixel's is their product.

    Args:
        logits: (B, K, H, W).
        maps: (B, H, W) int64, 0 to K-1, or 255.
        weights: (B, H, W) of the pixels.
        class_weights: (K,); alone they give what `torch.nn.functional.cross_entropy` gives.
    """
    each = _each(logits, maps)
    return _mean(each, _shares(maps, each, weights=weights, class_weights=class_weights))


def focal(
    logits: Tensor,
    maps: Tensor,
    *,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    gamma: float = 2.0,
) -> Tensor:
    """Mean of -(1 - p)^γ log p: easy pixels count less (Lin 2017, arXiv:1708.02002, equation 4).

    Differs from the paper: a softmax over K classes, its α the class weights, and a mean over the pixels.

    Args:
        logits: (B, K, H, W).
        maps: (B, H, W) int64, 0 to K-1, or 255.
        weights: (B, H, W) of the pixels.
        class_weights: (K,).
        gamma: γ; 0 is cross entropy.
    """
    each = _each(logits, maps)
    # 1 - p without loss of digits; the slope of its power is infinite at 0 for γ below 1.
    missing = -torch.expm1(-each)
    hardness = missing.clamp(min=1e-6) ** gamma if gamma < 1 else missing**gamma
    return _mean(hardness * each, _shares(maps, each, weights=weights, class_weights=class_weights))


def dice(
    logits: Tensor, maps: Tensor, *, weights: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """1 - mean over the batch's classes of 2 Σ p g / (Σ p + Σ g), sums over all pixels of the batch.

    With p the probabilities and g 1 where the truth is the class, else 0 (Drozdzal 2016, arXiv:1608.04117,
    equation 1; Milletari 2016, arXiv:1606.04797, squares p and g below). A class that the batch does not show
    has no Dice and is left out.

    Args:
        logits: (B, K, H, W).
        maps: (B, H, W) int64, 0 to K-1, or 255.
        weights: (B, H, W) of the pixels, in every sum.
        class_weights: (K,) of the mean.
    """
    chances = _precise(logits).softmax(dim=1).flatten(2)  # (B, K, H W)
    shares = _shares(maps, chances, weights=weights, class_weights=None).flatten(1)  # (B, H W)
    labels = torch.where(maps == IGNORED, 0, maps).flatten(1)  # where ignored the share is 0
    right = chances.gather(1, labels[:, None])[:, 0] * shares
    nothing = chances.new_zeros(logits.shape[1])
    both = nothing.index_add(0, labels.flatten(), right.flatten())  # (K,)
    real = nothing.index_add(0, labels.flatten(), shares.flatten())
    guessed = (chances * shares[:, None]).sum(dim=(0, 2))
    wanted = (real > 0).to(chances.dtype)
    if class_weights is not None:
        wanted = wanted * class_weights.to(wanted)
    overlap = 2 * both / (guessed + real).clamp(min=torch.finfo(chances.dtype).tiny)
    return _mean(1 - overlap, wanted)


def ohem(
    logits: Tensor,
    maps: Tensor,
    *,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    keep: float = 1 / 16,
    threshold: float = 0.7,
) -> Tensor:
    """Cross entropy of the hard pixels alone: online hard example mining.

    Hard are the pixels whose class has a probability below the threshold; where these are fewer than a share
    of the labelled pixels, the hardest ones of that number. Source: Shrivastava 2016,
    arXiv:1604.03540; for pixels, with a threshold and a least number, as trainers of PSPNet and BiSeNet do.

    Args:
        logits: (B, K, H, W).
        maps: (B, H, W) int64, 0 to K-1, or 255.
        weights: (B, H, W) of the pixels; they do not choose.
        class_weights: (K,); neither do they.
        keep: the share, above 0 up to 1.
        threshold: the probability.
    """
    each = _each(logits, maps).flatten()
    shares = _shares(maps, each, weights=weights, class_weights=class_weights).flatten()
    hardness = torch.where(maps.flatten() == IGNORED, -1.0, each.detach())
    least = max(1, math.ceil(keep * int((maps != IGNORED).sum())))
    hard = torch.nonzero(hardness > -torch.log(hardness.new_tensor(threshold)))[:, 0]
    if len(hard) < least:
        hard = hardness.topk(min(least, len(hardness)), sorted=False).indices
    return _mean(each[hard], shares[hard])


def boundary_weights(maps: Tensor, *, width: int = 3, weight: float = 5.0) -> Tensor:
    """(B, H, W) int64 -> (B, H, W) float32 weights: more where another class is near.

    Args:
        maps: labels; 255 is no class, and no border.
        width: how many pixels from a border, in a square, are near.
        weight: of the pixels near a border; the others weigh 1.
    """
    labels = maps[:, None].float()
    blank = labels == IGNORED

    def largest(values: Tensor) -> Tensor:
        padded = values.masked_fill(blank, -IGNORED - 1)
        rows = F.max_pool2d(padded, (2 * width + 1, 1), stride=1, padding=(width, 0))
        return F.max_pool2d(rows, (1, 2 * width + 1), stride=1, padding=(0, width))

    near = largest(labels) != -largest(-labels)
    return torch.where(near & ~blank, weight, 1.0)[:, 0]


def class_counts(maps: Tensor, *, classes: int) -> Tensor:
    """(B, H, W) int64 labels -> (K,) int64, how many pixels each class has."""
    return torch.bincount(maps.flatten(), minlength=IGNORED + 1)[:classes]


def balanced_class_weights(counts: Tensor, *, most: float = 50.0) -> Tensor:
    """(K,) pixels of each class -> (K,) float32 weights: the median count over the class's own count.

    Median frequency balancing (Eigen 2015, arXiv:1411.4734, section 6.2), frequencies taken over all pixels.

    Args:
        counts: (K,); a class without pixels gets weight 1, which then weighs nothing.
        most: no weight is larger, so that a class of a few pixels does not outweigh all else.
    """
    known = counts > 0
    if not bool(known.any()):
        return torch.ones(len(counts), device=counts.device)
    median = counts[known].float().quantile(0.5)
    return torch.where(known, median / counts.clamp(min=1), 1.0).clamp(max=most)


def _precise(logits: Tensor) -> Tensor:
    """Half precision as float32, others as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _each(logits: Tensor, maps: Tensor) -> Tensor:
    """(B, H, W) -log p of each pixel's class, 0 where it is ignored."""
    return F.cross_entropy(_precise(logits), maps, ignore_index=IGNORED, reduction="none")


def _shares(maps: Tensor, like: Tensor, *, weights: Tensor | None, class_weights: Tensor | None) -> Tensor:
    """(B, H, W) what each pixel counts, 0 where it is ignored, in the type of `like`."""
    known = maps != IGNORED
    shares = known.to(like.dtype)
    if weights is not None:
        shares = shares * weights.to(like)
    if class_weights is not None:
        shares = shares * class_weights.to(like)[torch.where(known, maps, 0)]
    return shares


def _mean(values: Tensor, shares: Tensor) -> Tensor:
    """Weighted mean; 0 where all weights are 0, with gradients all the same."""
    total = shares.sum()
    return (values * shares).sum() / torch.where(total > 0, total, 1)
