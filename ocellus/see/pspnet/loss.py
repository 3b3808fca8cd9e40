"""PSPNet's loss: of every pixel's logits, and in training of the auxiliary ones too (section 3.3)."""

from __future__ import annotations

from torch import Tensor

from ocellus.nn.segmentation_losses import segmentation_loss
from ocellus.see.pspnet.config import Train
from ocellus.see.pspnet.model import Raw


def losses(
    raw: Raw,
    maps: Tensor,
    *,
    train: Train,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms whose sum is minimized: L + 0.4 L_aux as published.

    Of cross_entropy+dice the auxiliary term is the cross entropy alone: a Dice of its own changes little, and
    both pass over every pixel and class.

    Args:
        raw: of a batch.
        maps: (B, H, W) int64 classes, 255 where nothing counts.
        train: which loss, and how the terms are weighted.
        weights: (B, H, W) of the pixels.
        class_weights: (K,) of the classes.

    Returns:
        "segmentation", and "auxiliary" where there are such logits.
    """
    logits = {"segmentation": (1.0, raw.logits, train.loss)}
    if raw.auxiliary is not None:
        kind = train.loss.removesuffix("+dice")
        logits["auxiliary"] = (train.auxiliary_weight, raw.auxiliary, kind)
    return {
        name: share
        * segmentation_loss(
            scores,
            maps,
            kind=kind,
            weights=weights,
            class_weights=class_weights,
            gamma=train.focal_gamma,
            keep=train.ohem_keep,
        )
        for name, (share, scores, kind) in logits.items()
    }
