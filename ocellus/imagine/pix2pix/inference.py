"""Picture -> the picture that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ocellus.data.degradations import named
from ocellus.errors import OcellusError
from ocellus.imagine.pix2pix.config import RUN, Run
from ocellus.imagine.pix2pix.model import Pix2Pix
from ocellus.nn.dense import device_of
from ocellus.nn.generators import as_trained
from ocellus.nn.translation import as_seen, picture_of, translated
from ocellus.values import Picture

MOST_SEED = 2**63
"""Seeds are below it."""


def generate(
    network: Pix2Pix, picture: Picture, *, names: tuple[str, ...] = (), options: Run = RUN
) -> Picture:
    """The answer to a condition, at its own size.

    Args:
        network: whatever its mode.
        picture: the condition, of any size; with `from_picture` what it is to be made of.
        names: there are no classes.
        options: with noise or without, see `Run`.

    Raises:
        OcellusError: a picture of other channels than the network takes, or a condition is to be made where
            the network was trained on pairs, or a seed that is none. Exit code 2 then.
    """
    config = network.config
    if not 0 <= options.seed < MOST_SEED:
        raise OcellusError(f"--seed {options.seed} is no seed: from 0 to {MOST_SEED - 1}", exit_code=2)
    make = _conditions(network, seed=options.seed) if options.from_picture else None
    with torch.no_grad(), behaving(network, noise=options.noise, seed=options.seed):
        return translated(
            lambda images: network(images if make is None else make(images)).pictures,
            picture,
            channels=config.channels if make is None else config.outputs,
            short_side=config.short_side,
            device=device_of(network),
        )


def condition_of(network: Pix2Pix, picture: Picture, *, seed: int = 0) -> Picture:
    """The condition that training made of such a picture: its edges, its grey, ...

    Args:
        network: trained with a `condition`.
        picture: as the answers are.
        seed: of what is thrown, where something is.

    Raises:
        OcellusError: the network was trained on pairs (exit code 2), or a picture of other channels.
    """
    config = network.config
    make = _conditions(network, seed=seed)
    image = as_seen(picture, channels=config.outputs, short_side=config.short_side)
    return picture_of(make(image)[0], path=picture.path)


def _conditions(network: Pix2Pix, *, seed: int) -> Callable[[Tensor], Tensor]:
    """What makes conditions (1, C, H, W) of pictures (1, C', H, W), as in training."""
    config = network.config
    if not config.condition:
        raise OcellusError(
            "this model was trained on pairs and does not know how to make a condition of a picture: give "
            "the condition itself, without --from-picture",
            exit_code=2,
        )
    make = named(config.condition, channels=config.channels)
    return lambda images: make(images[0].cpu(), np.random.default_rng(seed))[None].to(images.device)


@contextmanager
def behaving(network: nn.Module, *, noise: bool, seed: int) -> Iterator[None]:
    """Meanwhile the network is as published (dropout and statistics as in training), or as in eval mode."""
    training = network.training
    place = device_of(network)
    devices = [place.index or 0] if place.type == "cuda" else []
    network.eval()
    try:
        if not noise:
            yield
            return
        with torch.random.fork_rng(devices=devices), as_trained(network):
            torch.manual_seed(seed)
            yield
    finally:
        network.train(training)
