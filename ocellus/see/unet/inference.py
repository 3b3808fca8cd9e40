"""Picture -> Segmentation, and picture -> restored picture."""

from __future__ import annotations

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.nn.dense import dense_logits, segment
from ocellus.nn.views import looking
from ocellus.see.unet.model import UNet
from ocellus.values import Picture, Segmentation


def predict(
    network: UNet,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
    colors: tuple[tuple[int, int, int], ...] = (),
    probabilities: bool = False,
) -> Segmentation:
    """The class of every pixel of a picture.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        names: class names, to be kept with the result.
        edges: of keypoints; there are none.
        colors: class colors, to be kept with the result.
        probabilities: keep those of all classes.

    Raises:
        OcellusError: a picture of other channels than the network takes, or a network that restores.
    """
    config = network.config
    if config.residual:
        raise OcellusError(
            "this network restores pictures and knows no classes: use ocellus.see.unet.restore", exit_code=2
        )
    return segment(
        looking(network, stride=network.stride),
        picture,
        names=names,
        colors=colors,
        stride=network.stride,
        short_side=config.short_side,
        tile=config.tile,
        overlap=overlap(network),
        margin=network.margin,
        probabilities=probabilities,
    )


def overlap(network: UNet) -> int:
    """Pixels that tiles share: of valid convolutions, whose tiles know all that they need, none."""
    return 0 if network.margin else network.config.overlap


def restore(network: UNet, images: Tensor) -> Tensor:
    """Pictures without what the network has learned to take away: streaks, noise.

    Args:
        network: built with `residual`; whatever its mode, it answers as in eval mode.
        images: (B, C, H, W) of any size, scaled as those it was trained on.

    Returns:
        (B, C, H, W) float32; not cut off at 0 and 1.

    Raises:
        OcellusError: a network of classes, or pictures of other channels. Exit code 2.
    """
    config = network.config
    if not config.residual:
        raise OcellusError("this network knows classes and restores nothing: use predict", exit_code=2)
    if images.ndim != 4 or images.shape[1] != config.channels:
        raise OcellusError(
            f"pictures of shape {tuple(images.shape)}; wanted are (B, {config.channels}, H, W)", exit_code=2
        )
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            return dense_logits(
                network,
                images,
                stride=network.stride,
                tile=config.tile,
                overlap=overlap(network),
                margin=network.margin,
            )
    finally:
        network.train(training)
