"""What the two networks minimize, and what the discriminator is shown: pure functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.imagine.conditional_gan.config import Train
from ocellus.nn.adversarial import discriminator_loss, generator_loss


def discriminator_losses(
    real: Tensor, fake: Tensor, *, train: Train, penalty: Tensor | None = None
) -> dict[str, Tensor]:
    """The discriminator's loss by terms.

    Args:
        real: (B, 1) logits of real pictures.
        fake: (B, 1) logits of generated ones.
        train: the kind of the loss, and the weight of the penalty.
        penalty: () mean squared gradient at real pictures, where this step has one.

    Returns:
        "discriminator", and "r1" where there is a penalty: γ / 2 of it, times the steps that it stands for.
    """
    terms = {"discriminator": discriminator_loss(real, fake, kind=train.loss)}
    if penalty is not None:
        terms["r1"] = 0.5 * train.r1 * train.r1_every * penalty
    return terms


def generator_losses(fake: Tensor, *, train: Train) -> dict[str, Tensor]:
    """The generator's loss, "generator", from (B, 1) logits of generated pictures."""
    return {"generator": generator_loss(fake, kind=train.loss)}


def mirrored(images: Tensor, *, chance: float) -> Tensor:
    """(B, C, H, W) pictures, some of them mirrored left to right."""
    if chance <= 0:
        return images
    chosen = torch.rand(len(images), device=images.device) < chance
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def varied(images: Tensor, *, train: Train) -> Tensor:
    """What the discriminator is shown, moved, turned and scaled; gradients go through to the pictures.

    Real and generated pictures are varied alike, so that few real ones cannot be learnt by heart (Zhao 2020,
    arXiv:2006.10738), and some of both stay as they are, so that what is generated is upright and in the
    middle as the real ones are (Karras 2020, arXiv:2006.06676, section 2.2). Zeros come in from outside.

    Args:
        images: (B, C, H, W) in [0, 1].
        train: the chance and the ranges.
    """
    if train.augment <= 0:
        return images
    count, device = len(images), images.device
    chosen = (torch.rand(count, device=device) < train.augment).float()
    dice = (2 * torch.rand(4, count, device=device) - 1) * chosen  # in [-1, 1]; 0 leaves all as it is
    angle = dice[0] * math.radians(train.turn)
    size = torch.exp(-dice[1] * math.log1p(train.scale))
    across, down = 2 * train.shift * dice[2], 2 * train.shift * dice[3]  # the side is 2 long
    cosine, sine = size * angle.cos(), size * angle.sin()
    rows = [torch.stack([cosine, -sine, across], dim=1), torch.stack([sine, cosine, down], dim=1)]
    matrices = torch.stack(rows, dim=1)  # (B, 2, 3)
    with torch.autocast(device.type, enabled=False):
        grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, padding_mode="zeros", align_corners=False)
