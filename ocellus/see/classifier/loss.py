"""The classifier's loss: cross entropy, of mixed pictures shared out between their classes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ocellus.see.classifier.config import Train
from ocellus.see.classifier.model import Raw


def losses(
    raw: Raw,
    labels: Tensor,
    *,
    train: Train,
    others: Tensor | None = None,
    shares: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The term that is minimized: share · L(label) + (1 - share) · L(other), a mean over the pictures.

    With weights it is a mean by weight, so that its size does not depend on them.

    Args:
        raw: of a batch.
        labels: (B,) int64 classes.
        train: how much of the truth is spread over all classes.
        others: (B,) int64, of the pictures that were laid over.
        shares: (B,) how much of each picture is its own.
        class_weights: (K,) of the classes.

    Returns:
        "cross_entropy".
    """

    def each(truth: Tensor) -> tuple[Tensor, Tensor]:
        weights = raw.logits.new_ones(len(truth)) if class_weights is None else class_weights[truth]
        terms = F.cross_entropy(
            raw.logits.float(), truth, reduction="none", label_smoothing=train.label_smoothing
        )
        return weights * terms, weights

    terms, weights = each(labels)
    if others is not None and shares is not None and bool((shares < 1).any()):
        second, second_weights = each(others)
        terms = shares * terms + (1 - shares) * second
        weights = shares * weights + (1 - shares) * second_weights
    return {"cross_entropy": terms.sum() / weights.sum()}
