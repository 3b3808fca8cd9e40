"""U-Net's losses: of classes with a weight for every pixel, and of restored pictures."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ocellus.nn.segmentation_losses import segmentation_loss
from ocellus.see.unet.config import Train
from ocellus.see.unet.model import Raw


def class_loss(
    raw: Raw,
    maps: Tensor,
    *,
    train: Train,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The loss of a batch: for cross entropy E = Σ w(x) log p(x) (section 3, equation 1), Σ w made 1.

    Args:
        raw: logits (B, K, H, W).
        maps: (B, H, W) int64 classes, 255 where nothing is annotated.
        train: which loss.
        weights: (B, H, W) of the pixels.
        class_weights: (K,) of the classes.

    Returns:
        The loss by its name.
    """
    name = train.loss.replace("+", "_")
    value = segmentation_loss(
        raw.logits,
        maps,
        kind=train.loss,
        weights=weights,
        class_weights=class_weights,
        gamma=train.focal_gamma,
        keep=train.ohem_keep,
    )
    return {name: value}


def restoration_loss(raw: Raw, targets: Tensor) -> dict[str, Tensor]:
    """Mean squared distance of restored pictures (arXiv:1708.08333, section IV).

    Args:
        raw: logits (B, C, H, W), the restored pictures.
        targets: (B, C, H, W) in [0, 1].
    """
    return {"mse": F.mse_loss(raw.logits.float(), targets)}
