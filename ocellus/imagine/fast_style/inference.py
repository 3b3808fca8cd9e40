"""A picture painted in a style: by the network in one pass, or by the slow optimisation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.data.images import read_picture, to_picture
from ocellus.data.views import resized
from ocellus.errors import OcellusError
from ocellus.imagine.fast_style.config import RUN, USUAL_TRAIN, Run, Train
from ocellus.imagine.fast_style.loss import Goal, losses, make_goal
from ocellus.imagine.fast_style.model import FastStyle
from ocellus.metrics.image_quality import LUMA
from ocellus.nn.dense import check_channels
from ocellus.training.loss_network import LossNetwork
from ocellus.values import Picture

LEAST_STYLE = 16
"""Pixels of a style picture's shorter side below which it has no texture to speak of."""


class Optimised(NamedTuple):
    """What the slow optimisation found.

    Args:
        picture: painted.
        totals: the loss at each evaluation, one or two a step, and at the end, of pixels cut to [0, 1].
        seconds: since the beginning, after each of them.
    """

    picture: Picture
    totals: tuple[float, ...]
    seconds: tuple[float, ...]


def generate(
    network: FastStyle, picture: Picture, *, names: tuple[str, ...] = (), options: Run = RUN
) -> Picture:
    """The picture, painted.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size, in colors.
        names: not used; all systems are called alike.
        options: of this use.

    Returns:
        Of the picture's size.

    Raises:
        OcellusError: a picture of other channels, or a strength that makes no sense.
    """
    if not (isfinite(options.strength) and 0 <= options.strength <= 1):
        raise OcellusError(f"--strength {options.strength:g} makes no sense: it takes 0 to 1", exit_code=2)
    check_channels(picture, 3)
    images = picture.floats()[None].to(network.first.conv.weight.device)
    painted = paint(network, images)[0].float()
    if options.keep_colors:
        painted = recolored(painted, images[0])
    mixed = options.strength * painted + (1 - options.strength) * images[0]
    return Picture(pixels=as_bytes(mixed), path=picture.path)


def paint(network: FastStyle, images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1], painted, at the network's own size where it has one, and enlarged again."""
    training, longest = network.training, network.config.longest
    height, width = int(images.shape[2]), int(images.shape[3])
    small = images
    if longest and max(height, width) > longest:
        factor = longest / max(height, width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        small = torch.stack([resized(image, size) for image in images])
    network.eval()
    try:
        with torch.no_grad():
            painted: Tensor = network(small).pictures
    finally:
        network.train(training)
    if small is images:
        return painted
    return nn.functional.interpolate(
        painted, size=(height, width), mode="bicubic", align_corners=False
    ).clamp(0, 1)


def recolored(painted: Tensor, photograph: Tensor) -> Tensor:
    """(3, H, W) the light and dark of a painted picture with the colors of a photograph, both in [0, 1]."""
    weights = torch.tensor(LUMA, device=painted.device)
    weights = weights / weights.sum()
    grey, other = (torch.einsum("c,chw->hw", weights, image) for image in (painted, photograph))
    return (photograph + grey - other).clamp(0, 1)


def as_bytes(image: Tensor) -> Tensor:
    """(3, H, W) in [0, 1] -> uint8 on the CPU."""
    return (image.clamp(0, 1) * 255).round().byte().cpu().contiguous()


def read_style(path: str | Path, *, side: int) -> Tensor:
    """A style picture, (3, h, w) in [0, 1].

    Args:
        path: of the picture.
        side: pixels of its shorter side afterwards; 0: as it is.

    Raises:
        OcellusError: none is named, it is not there, or it is too small to have a style.
    """
    if not str(path):
        raise OcellusError("a style is learnt from a picture: give one, --style wave.jpg", exit_code=2)
    picture = read_picture(path, channels=3)
    least = min(picture.size)
    if least < LEAST_STYLE:
        raise OcellusError(
            f"{path} is {picture.size[1]}x{picture.size[0]} pixels; a style picture has {LEAST_STYLE} or "
            "more a side"
        )
    image = picture.floats()
    if not side:
        return image
    height, width = (max(1, round(length * side / least)) for length in picture.size)
    return resized(image, (height, width))


def read_goal(train: Train, *, device: torch.device | str = "cpu") -> Goal:
    """Style and loss network as the settings name them.

    Raises:
        OcellusError: one is not named, not there, or does not fit.
    """
    style = read_style(train.style, side=train.style_side)
    if not train.loss_network:
        raise OcellusError(
            "styles are compared by a classifier: give its weights file, --loss-network vgg16.safetensors "
            "(`ocellus import see/classifier vgg16.pth` makes one; torchvision:vgg16 fetches it)",
            exit_code=2,
        )
    network = LossNetwork.load(train.loss_network)
    return make_goal(network, style.to(device), train, source=train.style)


def optimise(
    picture: Picture | str | Path,
    *,
    style: str | Path,
    loss_network: str | Path,
    train: Train = USUAL_TRAIN,
    steps: int = 300,
    start: str = "photograph",
    seed: int = 0,
    device: str = "cpu",
    say: Callable[[str], None] = lambda line: None,
) -> Optimised:
    """Paint one picture by changing its pixels until the losses are small (Gatys 2015), with L-BFGS.

    Slow, and what the network is measured against: it needs no training, and any style does.

    Args:
        picture: to be painted, at its own size.
        style: the picture of the style.
        loss_network: weights file of a classifier.
        train: layers, weights and the size of the style.
        steps: of the optimisation.
        start: "photograph", or "noise" as in the first paper.
        seed: of the noise.
        device: where to compute.
        say: is told how far it is.

    Raises:
        OcellusError: files that are missing or do not fit, or a start that is not known.
    """
    if start not in ("photograph", "noise") or steps < 1:
        raise OcellusError(
            f"start {start!r} and {steps} steps make no sense: photograph or noise, and 1 step or more",
            exit_code=2,
        )
    given = picture if isinstance(picture, Picture) else read_picture(picture, channels=3)
    check_channels(given, 3)
    train = replace(train, style=str(style), loss_network=str(loss_network), adversarial=0.0)
    goal = read_goal(train, device=device)
    goal.network.check_size(given.size, what=given.path or "the picture")
    photograph = given.floats()[None].to(device)
    with torch.no_grad():
        truth = goal.network.features(photograph, layers=tuple(goal.content))
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand(photograph.shape, generator=generator).to(device) if start == "noise" else photograph
    found = descend(first, lambda images: sum_of(losses(images, truth, goal, train)), steps=steps, say=say)
    return Optimised(to_picture(as_bytes(found[0][0])), found[1], found[2])


def descend(
    images: Tensor, cost: Callable[[Tensor], Tensor], *, steps: int, say: Callable[[str], None]
) -> tuple[Tensor, tuple[float, ...], tuple[float, ...]]:
    """Pictures after so many steps of L-BFGS, with the cost and the time of each evaluation and at the end.

    Args:
        images: (B, 3, H, W) to begin with.
        cost: of pictures, which are cut to [0, 1] for it at the end.
        steps: how many.
        say: is told how far it is.
    """
    pixels = nn.Parameter(images.detach().clone())
    optimizer = torch.optim.LBFGS(
        [pixels],
        max_iter=steps,
        max_eval=25 * steps,
        history_size=20,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )
    totals: list[float] = []
    seconds: list[float] = []
    begun = time.perf_counter()

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = cost(pixels)
        total.backward()  # type: ignore[no-untyped-call]
        totals.append(float(total.detach()))
        seconds.append(time.perf_counter() - begun)
        if len(totals) % 50 == 0:
            say(f"{len(totals)} evaluations of about {steps}: {totals[-1]:.4f}, {seconds[-1]:.0f} s")
        return total

    with torch.inference_mode(False), torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        final = pixels.detach().clamp(0, 1)
        totals.append(float(cost(final)))
    seconds.append(time.perf_counter() - begun)
    return final, tuple(totals), tuple(seconds)


def sum_of(terms: dict[str, Tensor]) -> Tensor:
    """The sum of () terms."""
    return torch.stack(list(terms.values())).sum()
