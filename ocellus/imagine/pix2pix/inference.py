"""Picture -> the picture that answers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from ocellus.data.degradations import named
from ocellus.errors import OcellusError
from ocellus.imagine.pix2pix.config import RUN, Run
from ocellus.imagine.pix2pix.model import Pix2Pix
from ocellus.nn.dense import device_of
from ocellus.nn.generators import as_trained
from ocellus.nn.translation import as_seen, picture_of, translated
from ocellus.values import Picture


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
            the network was trained on pairs. Exit code 2 then.
    """
    config = network.config
    if options.from_picture:
        picture = condition_of(network, picture, seed=options.seed)
    with torch.no_grad(), behaving(network, noise=options.noise, seed=options.seed):
        return translated(
            lambda images: network(images).pictures,
            picture,
            channels=config.channels,
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
    if not config.condition:
        raise OcellusError(
            "this model was trained on pairs and does not know how to make a condition of a picture: give "
            "the condition itself, without --from-picture",
            exit_code=2,
        )
    make = named(config.condition, channels=config.channels)
    image = as_seen(picture, channels=config.outputs, short_side=config.short_side)[0]
    return picture_of(make(image, np.random.default_rng(seed)), path=picture.path)


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
