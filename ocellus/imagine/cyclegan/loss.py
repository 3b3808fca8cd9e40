"""The losses of CycleGAN (Zhu 2017, arXiv:1703.10593, sections 3 and 5.2)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ocellus.imagine.cyclegan.config import Train
from ocellus.nn.adversarial import discriminator_loss, generator_loss


class Tour(NamedTuple):
    """What the generators make of pictures of both domains; all in [0, 1]."""

    made_b: Tensor  # (B, C', H, W) of pictures of A
    made_a: Tensor  # (B, C, H, W) of pictures of B
    again_a: Tensor | None  # (B, C, H, W) there and back; None where nobody asks
    again_b: Tensor | None  # (B, C', H, W)
    same_b: Tensor | None  # (B, C', H, W) what the way to B makes of pictures of B
    same_a: Tensor | None  # (B, C, H, W)


def generator_terms(
    tour: Tour, a: Tensor, b: Tensor, *, logits: tuple[Tensor, Tensor], train: Train
) -> dict[str, Tensor]:
    """What both generators minimize, by terms: equation 3, and the identity loss of section 5.2.

    Args:
        tour: what they made.
        a: (B, C, H, W) in [0, 1], true pictures of A.
        b: (B, C', H, W), of B.
        logits: the judges' of `made_a` and of `made_b`.
        train: the weights.

    Returns:
        "gan/a", "gan/b", "cycle/a", "cycle/b", "identity/a", "identity/b" with their weights; those that are.
    """
    terms = {
        f"gan/{name}": generator_loss(fake, kind=train.game) for name, fake in zip("ab", logits, strict=True)
    }
    for kind, weight, ends in (
        ("cycle", train.cycle, ((tour.again_a, a), (tour.again_b, b))),
        ("identity", train.identity, ((tour.same_a, a), (tour.same_b, b))),
    ):
        for name, (made, true) in zip("ab", ends, strict=True):
            if made is not None:
                # The paper's pictures are in [-1, 1]: twice the difference.
                terms[f"{kind}/{name}"] = 2 * weight * (made.float() - true).abs().mean()
    return terms


def judge_loss(real: Tensor, fake: Tensor, train: Train) -> Tensor:
    """What one discriminator minimizes, halved (appendix 7.1).

    Args:
        real: (B, 1, h, w) logits of true pictures.
        fake: (B, 1, h, w) logits of made ones, new or old.
        train: the kind of loss and its factor.
    """
    return train.discriminator_weight * discriminator_loss(real, fake, kind=train.game)
