"""Fast style's losses: what a picture shows, how it is painted, how smooth and how steady it is.

With F_l the features of a picture at layer l of the loss network, (C, h, w), its Gram matrix is
G_l[c, c'] = Σ_yx F_l[c, y, x] F_l[c', y, x] / (C h w) (Johnson 2016, equation 3): where a feature is does not
matter, only which ones go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.fast_style.config import Train
from ocellus.metrics.flicker import warp
from ocellus.training.loss_network import LossNetwork

USUAL = {
    "relu4_3": (("relu3_3",), ("relu1_2", "relu2_2", "relu3_3", "relu4_3")),  # VGG-16 and 19
    "relu4_2": (("relu3_2",), ("relu1_2", "relu2_2", "relu3_2", "relu4_2")),  # VGG-13
    "fire8": (("fire5",), ("relu1", "fire3", "fire5", "fire8")),
    "stage4": (("stage2",), ("stage1", "stage2", "stage3")),
    "stage3": (("stage2",), ("stage1", "stage2", "stage3")),
}
"""By a layer that a loss network has: where content and where style are looked at, unless told otherwise."""


class Goal(NamedTuple):
    """What pictures are measured with, and the style that they are to have."""

    network: LossNetwork
    content: dict[str, float]  # weights by layer
    style: dict[str, float]
    grams: dict[str, Tensor]  # (C, C) of the style


def make_goal(network: LossNetwork, style: Tensor, train: Train, *, source: str = "the style") -> Goal:
    """What to minimize for a style.

    Args:
        network: whose features are compared.
        style: (3, H, W) in [0, 1].
        train: layers and weights.
        source: of the style, for messages.

    Raises:
        OcellusError: no such layers, another number of weights, or a picture that is too small for them.
    """
    content, painted = usual_layers(network)
    chosen = (train.content_layers or content, train.style_layers or painted)
    looked = LossNetwork(
        network.network, layers=tuple(dict.fromkeys((*chosen[0], *chosen[1]))), source=network.source
    )
    looked.check_size((int(style.shape[1]), int(style.shape[2])), what=source)
    with torch.no_grad(), torch.autocast(style.device.type, enabled=False):
        grams = {name: gram(part)[0] for name, part in looked.features(style[None], layers=chosen[1]).items()}
    return Goal(
        network=looked,
        content=weighed(chosen[0], train.content_weights, field="content"),
        style=weighed(chosen[1], train.style_weights, field="style"),
        grams=grams,
    )


def usual_layers(network: LossNetwork) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers where content and where style are looked at.

    Raises:
        OcellusError: it is of no kind that there are usual ones of. Exit code 2.
    """
    for mark, layers in USUAL.items():
        if mark in network.names:
            return layers
    raise OcellusError(
        f"{network.source} has the layers {', '.join(network.names)}; say which: --content-layers and "
        "--style-layers",
        exit_code=2,
    )


def weighed(layers: Sequence[str], weights: Sequence[float], *, field: str) -> dict[str, float]:
    """Weights by layer.

    Raises:
        OcellusError: neither one nor as many as layers. Exit code 2.
    """
    if len(weights) not in (1, len(layers)):
        raise OcellusError(
            f"--{field}-weights are {len(weights)} for {len(layers)} layers ({', '.join(layers)}): give one "
            "each, or one for all",
            exit_code=2,
        )
    many = weights if len(weights) == len(layers) else tuple(weights) * len(layers)
    return dict(zip(layers, many, strict=True))


def gram(features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, C), Gram matrices over C h w."""
    rows = features.float().flatten(2)
    return rows @ rows.transpose(1, 2) / (rows.shape[1] * rows.shape[2])


def losses(images: Tensor, truth: Mapping[str, Tensor], goal: Goal, train: Train) -> dict[str, Tensor]:
    """What a painted picture costs, by terms.

    Args:
        images: (B, 3, H, W), nearly in [0, 1].
        truth: features of the photographs at the layers of content.
        goal: style and loss network.
        train: scale, and the weight of total variation.

    Returns:
        "content", "style" (without an adversary) and "variation".
    """
    found = goal.network.features(images)
    with torch.autocast(images.device.type, enabled=False):
        terms = {"content": content_loss(found, truth, goal.content, scale=train.loss_scale)}
        if not train.adversarial:
            terms["style"] = style_loss(found, goal.grams, goal.style, scale=train.loss_scale)
        if train.variation:
            terms["variation"] = train.variation * total_variation(images.float())
    return terms


def content_loss(
    found: Mapping[str, Tensor], truth: Mapping[str, Tensor], weights: Mapping[str, float], *, scale: str
) -> Tensor:
    """Σ_l w_l |F_l - F'_l|² / (C h w) (equation 2); relative: over the mean square of F'_l.

    Args:
        found: (B, C, h, w) by layer.
        truth: the same of the photographs.
        weights: by layer.
        scale: plain or relative.
    """
    terms = []
    for name, weight in weights.items():
        wanted = truth[name].float()
        error = (found[name].float() - wanted).square().mean()
        terms.append(
            weight * (error / wanted.square().mean().clamp_min(1e-8) if scale == "relative" else error)
        )
    return torch.stack(terms).sum()


def style_loss(
    found: Mapping[str, Tensor], grams: Mapping[str, Tensor], weights: Mapping[str, float], *, scale: str
) -> Tensor:
    """Σ_l w_l |G_l - G'_l|² (equation 4), the mean over pictures; relative: over |G'_l|².

    Args:
        found: (B, C, h, w) by layer.
        grams: (C, C) of the style.
        weights: by layer.
        scale: plain or relative.
    """
    terms = []
    for name, weight in weights.items():
        error = (gram(found[name]) - grams[name]).square().sum(dim=(1, 2)).mean()
        terms.append(weight * (error / grams[name].square().sum() if scale == "relative" else error))
    return torch.stack(terms).sum()


def total_variation(images: Tensor) -> Tensor:
    """Mean difference of neighbours, to the right and down, in (B, C, H, W)."""
    right = (images[..., 1:] - images[..., :-1]).abs().mean()
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return right + down


def disturbed(images: Tensor, train: Train) -> tuple[Tensor, Tensor | None]:
    """Pictures as the next frame of a video might show them: with other noise, moved, or both.

    Args:
        images: (B, 3, H, W) in [0, 1].
        train: what may happen, and how much.

    Returns:
        (B, 3, H, W) in [0, 1]; and (B, 2, H, W) the motion, as `ocellus.metrics.flicker.warp` takes it, or
        None where nothing moved.
    """
    flow = None
    if train.temporal_kind in ("motion", "both"):
        flow = random_motion(images, most=train.motion)
        images, _ = warp(images, flow)
    if train.temporal_kind in ("noise", "both"):
        images = (images + train.noise * torch.randn_like(images)).clamp(0, 1)
    return images, flow


def random_motion(images: Tensor, *, most: float) -> Tensor:
    """(B, 2, H, W) a shift of up to `most` pixels of each of (B, 3, H, W) pictures, and a turn of a degree or
    two about the middle: a moving camera."""
    count, _, height, width = images.shape
    dice = torch.rand(count, 3, device=images.device) * 2 - 1
    shift, turn = most * dice[:, :2], 0.03 * dice[:, 2]  # radians
    rows = torch.arange(height, device=images.device).float()[:, None] - (height - 1) / 2
    columns = torch.arange(width, device=images.device).float() - (width - 1) / 2
    across = shift[:, 0, None, None] - turn[:, None, None] * rows
    down = shift[:, 1, None, None] + turn[:, None, None] * columns
    size = (count, height, width)
    return torch.stack([across.expand(size), down.expand(size)], dim=1)


def temporal_loss(painted: Tensor, later: Tensor, flow: Tensor | None) -> Tensor:
    """Mean squared difference of what was painted of a picture and of its disturbed form, where both show it.

    Args:
        painted: (B, 3, H, W) of the pictures.
        later: (B, 3, H, W) of their disturbed form.
        flow: (B, 2, H, W) the motion between; None: nothing moved.
    """
    if flow is None:
        return (painted - later).square().mean()
    moved, inside = warp(painted, flow)
    return ((moved - later).square() * inside).sum() / (3 * inside.sum()).clamp_min(1)


def style_patches(style: Tensor, count: int, *, side: int) -> Tensor:
    """Random squares of the style, some mirrored: what an adversary is shown as real.

    Args:
        style: (3, H, W) in [0, 1].
        count: how many.
        side: of each; the style is enlarged where it is smaller.

    Returns:
        (count, 3, side, side).
    """
    height, width = style.shape[1:]
    if min(height, width) < side:
        factor = side / min(height, width)
        size = (max(side, round(height * factor)), max(side, round(width * factor)))
        style = torch.nn.functional.interpolate(style[None], size=size, mode="bilinear", align_corners=False)[
            0
        ]
        height, width = size
    patches = []
    for _ in range(count):
        top = int(torch.randint(height - side + 1, ()))
        left = int(torch.randint(width - side + 1, ()))
        patch = style[:, top : top + side, left : left + side]
        patches.append(patch.flip(2) if float(torch.rand(())) < 0.5 else patch)
    return torch.stack(patches)
