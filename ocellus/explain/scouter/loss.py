"""SCOUTER's loss: cross entropy, and the share of the picture that the slots attend to."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ocellus.explain.scouter.config import Train
from ocellus.explain.scouter.model import Raw


def losses(raw: Raw, labels: Tensor, *, train: Train) -> dict[str, Tensor]:
    """The terms that are minimized: -log p(class), and area_loss · (mean of the attention) ^ area_power.

    The mean is over pictures, slots and places.

    Args:
        raw: of a batch.
        labels: (B,) int64 classes.
        train: the weights of the terms.

    Returns:
        "cross_entropy" and "area".
    """
    entropy = F.cross_entropy(raw.logits.float(), labels, label_smoothing=train.label_smoothing)
    area = raw.attention.float().mean() ** train.area_power
    return {"cross_entropy": entropy, "area": train.area_loss * area}
