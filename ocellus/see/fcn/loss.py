"""FCN's loss: of every pixel's logits, and of the auxiliary ones where there are any."""

from __future__ import annotations

from torch import Tensor

from ocellus.nn.segmentation_losses import segmentation_loss
from ocellus.see.fcn.config import Train
from ocellus.see.fcn.model import Raw


def losses(
    raw: Raw,
    maps: Tensor,
    *,
    train: Train,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms whose sum is minimized.

    Args:
        raw: of a batch.
        maps: (B, H, W) int64 classes, 255 where nothing counts.
        train: which loss, and how the terms are weighted.
        weights: (B, H, W) of the pixels.
        class_weights: (K,) of the classes.

    Returns:
        "segmentation", and "auxiliary" where the network has such scores.
    """
    logits = {"segmentation": (1.0, raw.logits)}
    if raw.auxiliary is not None:
        logits["auxiliary"] = (train.auxiliary_weight, raw.auxiliary)
    return {
        name: share
        * segmentation_loss(
            scores,
            maps,
            kind=train.loss,
            weights=weights,
            class_weights=class_weights,
            gamma=train.focal_gamma,
            keep=train.ohem_keep,
        )
        for name, (share, scores) in logits.items()
    }
