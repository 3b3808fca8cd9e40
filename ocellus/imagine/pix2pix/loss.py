"""The losses of pix2pix (Isola 2017, arXiv:1611.07004, section 3.1)."""

from __future__ import annotations

from torch import Tensor

from ocellus.imagine.pix2pix.config import Train
from ocellus.nn.adversarial import discriminator_loss, generator_loss

LOSSES = ("both", "l1", "gan")


def generator_terms(
    answers: Tensor, targets: Tensor, logits: Tensor | None, train: Train
) -> dict[str, Tensor]:
    """What the generator minimizes, by terms: equation 4, the adversarial part plus λ times equation 3.

    Args:
        answers: (B, C', H, W) in [0, 1], with gradient.
        targets: (B, C', H, W) in [0, 1].
        logits: of the discriminator for the answers; None with the loss "l1".
        train: which losses, and their weights.

    Returns:
        "gan" and "l1", each with its weight; those that the loss has.
    """
    terms = {}
    if logits is not None:
        terms["gan"] = generator_loss(logits, kind=train.game)
    if train.loss != "gan":
        # The paper's pictures are in [-1, 1]: twice the difference.
        terms["l1"] = 2 * train.l1_weight * (answers.float() - targets).abs().mean()
    return terms


def judge_loss(real: Tensor, fake: Tensor, train: Train) -> Tensor:
    """What the discriminator minimizes, halved (section 3.3).

    Args:
        real: (B, 1, h, w) logits of true pairs.
        fake: (B, 1, h, w) logits of conditions with what was made of them.
        train: the kind of loss and its factor.
    """
    return train.discriminator_weight * discriminator_loss(real, fake, kind=train.game)
