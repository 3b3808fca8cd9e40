"""Picture -> the picture of the other domain, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from ocellus.errors import OcellusError
from ocellus.imagine.cyclegan.config import RUN, Run
from ocellus.imagine.cyclegan.model import CycleGAN
from ocellus.nn.dense import device_of
from ocellus.nn.translation import colors_of, picture_of, translated
from ocellus.values import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Journey:
    """A picture's way to the other domain and back.

    Args:
        picture: as given.
        made: of the other domain.
        again: what is made of that.
        error: mean absolute difference between the first and the last, of [0, 1].
    """

    picture: Picture
    made: Picture
    again: Picture
    error: float


def generate(
    network: CycleGAN, picture: Picture, *, names: tuple[str, ...] = (), options: Run = RUN
) -> Picture:
    """The picture of the other domain, at its own size.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        names: of the domains A and B.
        options: the direction, and whether the way back is shown, with its "cycle error" among the facts.

    Raises:
        OcellusError: a picture of other channels, a direction that is none (exit code 2), or one that these
            weights do not have.
    """
    if not options.back:
        first, _ = generators(network, options.direction, names=names)
        return _through(network, first, picture)
    journey = there_and_back(network, picture, direction=options.direction, names=names)
    parts = [colors_of(part.floats()) for part in (journey.picture, journey.made, journey.again)]
    parts.append(1 - (parts[2] - parts[0]).abs())
    return replace(
        picture_of(torch.cat(parts, dim=2), path=picture.path), facts={"cycle error": journey.error}
    )


def there_and_back(
    network: CycleGAN, picture: Picture, *, direction: str = "forward", names: tuple[str, ...] = ()
) -> Journey:
    """The way of one picture x -> y -> x, and how far from the picture it ends.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size.
        direction: see `Run`.
        names: of the domains A and B.

    Raises:
        OcellusError: as `generate`, or there is no way back.
    """
    first, second = generators(network, direction, names=names)
    if second is None:
        raise OcellusError(NO_WAY_BACK)
    made = _through(network, first, picture)
    again = _through(network, second, made)
    error = float((again.floats() - picture.floats()).abs().mean())
    return Journey(picture=picture, made=made, again=again, error=error)


NO_WAY_BACK = (
    "these weights have a generator from A to B alone: import both published generators into one file, with "
    "`ocellus import imagine/cyclegan G_A.pth --also G_B.pth`"
)


def generators(
    network: CycleGAN, direction: str, *, names: tuple[str, ...] = ()
) -> tuple[nn.Module, nn.Module | None]:
    """The generator of a direction, and that of the way back where there is one.

    Raises:
        OcellusError: no such direction (exit code 2), or these weights do not have it.
    """
    targets = {"backward": False, "forward": True}
    if len(names) == 2:
        targets |= {names[0]: False, names[1]: True}
    if direction not in targets:
        known = "forward (from A to B) and backward (from B to A)"
        if len(names) == 2:
            known = (
                f"forward or {names[1]!r} (from {names[0]}), and backward or {names[0]!r} (from {names[1]})"
            )
        raise OcellusError(f"there is no direction {direction!r}; there is {known}", exit_code=2)
    if targets[direction]:
        return network.forth, network.back
    if network.back is None:
        raise OcellusError(NO_WAY_BACK)
    return network.back, network.forth


def _through(network: CycleGAN, generator: nn.Module, picture: Picture) -> Picture:
    config = network.config
    channels = config.channels if generator is network.forth else config.outputs
    training = generator.training
    generator.eval()
    try:
        with torch.no_grad():
            return translated(
                generator,
                picture,
                channels=channels,
                short_side=config.short_side,
                device=device_of(network),
            )
    finally:
        generator.train(training)
