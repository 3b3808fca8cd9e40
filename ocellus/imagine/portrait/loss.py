"""Portrait's losses and the laying of one picture's subject over another: pure functions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.imagine.portrait.config import Train
from ocellus.imagine.portrait.model import Raw
from ocellus.nn.matting import box_mean
from ocellus.nn.segmentation_losses import segmentation_loss
from ocellus.values.segmentation import IGNORED


def losses(raw: Raw, maps: Tensor, train: Train, *, class_weights: Tensor | None = None) -> dict[str, Tensor]:
    """The loss of a batch by terms.

    Args:
        raw: of B pictures.
        maps: (B, H, W) int64, 255 where nothing is annotated.
        train: the terms' kinds and weights.
        class_weights: (K,) of the classes.

    Returns:
        "region", and "boundary" and "auxiliary" where they have a weight.
    """

    def loss(logits: Tensor) -> Tensor:
        return segmentation_loss(
            logits,
            maps,
            kind=train.loss,
            class_weights=class_weights,
            gamma=train.focal_gamma,
            keep=train.ohem_keep,
        )

    terms = {"region": loss(raw.logits)}
    if train.boundary:
        terms["boundary"] = train.boundary * segmentation_loss(raw.logits, maps, kind="boundary")
    if raw.auxiliary is not None:
        size = (int(maps.shape[1]), int(maps.shape[2]))
        coarse = F.interpolate(raw.auxiliary, size=size, mode="bilinear", align_corners=False)
        terms["auxiliary"] = train.auxiliary * loss(coarse)
    return terms


def copy_paste(
    images: Tensor, maps: Tensor, *, chance: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Subjects laid over other pictures of the batch, with a soft edge: few pictures become many.

    A picture's background stays what it was, and its own subject where the other does not cover it.

    Args:
        images: (B, C, H, W).
        maps: (B, H, W) int64, 0 the background, 255 not annotated.
        chance: of each picture to be laid upon.
        generator: of the dice; None: torch's own.
    """
    count = len(images)
    if count < 2 or chance <= 0:
        return images, maps
    step = int(torch.randint(1, count, (), generator=generator))
    others = torch.arange(count).roll(step)
    chosen = torch.rand(count, generator=generator) < chance
    subject = (maps[others] > 0) & (maps[others] != IGNORED)  # (B, H, W)
    subject &= chosen.to(maps.device)[:, None, None]
    soft = box_mean(subject[:, None].to(images.dtype), 1)  # (B, 1, H, W)
    return torch.lerp(images, images[others], soft), torch.where(subject, maps[others], maps)
