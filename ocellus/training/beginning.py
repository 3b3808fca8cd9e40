"""What comes before the first step, alike for all systems: settings that fit the data, fresh weights.

Imports nothing heavy: a system's config.py may import this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ocellus.errors import OcellusError

if TYPE_CHECKING:
    from ocellus.data.dataset import Dataset

Config = TypeVar("Config")
Network = TypeVar("Network")

MOST = 255
"""Classes that a label map of 8 bits tells apart; its last value, 255, is of no class."""


def refuse_fresh_frozen(norm: str, *, pretrained: bool) -> None:
    """See that norms are not to stay as they are before they have seen anything.

    Args:
        norm: of the network.
        pretrained: training begins with weights that were trained before.

    Raises:
        OcellusError: they are. Exit code 2.
    """
    if norm == "frozen" and not pretrained:
        raise OcellusError(
            "frozen norms are for pretrained weights: give some with --start, or --norm batch (group for "
            "batches of one or two pictures)",
            exit_code=2,
        )


def fitted(config: Config, data: Dataset) -> Config:
    """The settings of a network for label maps, for a data set's classes and pictures.

    Mean and std of three colors become one number each, their mean, where `channels` is another number.

    Args:
        config: with `classes`, `channels`, `mean` and `std`.
        data: to train on.

    Raises:
        OcellusError: no label maps, fewer than two classes, more than 255, or pictures of other channels.
    """
    from ocellus.data.images import read_picture

    settings: Any = config
    count = len(data.labels)
    if not data.semantic:
        raise OcellusError(
            f"{data.root} has no label maps, which say the class of every pixel: read it with view='classes'"
        )
    if count < 2:
        raise OcellusError(
            f"{data.root} has {count} class ({', '.join(data.labels)}); telling pixels apart takes two or "
            "more: name the background too, as a class of its own"
        )
    if count > MOST:
        raise OcellusError(f"{data.root} has {count} classes; a label map of 8 bits holds {MOST}")
    if (first := next((record for _, record in data.records()), None)) is not None:
        read_picture(first.image, channels=settings.channels)
    changed: Config = replace(settings, classes=count, **for_channels(settings))
    return changed


def for_labels(config: Config, data: Dataset) -> Config:
    """The settings of a network that says what a picture shows as a whole, for a data set.

    Args:
        config: with `classes`, `channels`, `mean` and `std`.
        data: to train on.

    Raises:
        OcellusError: no classes of pictures, fewer than two, or pictures of other channels.
    """
    from ocellus.data.images import read_picture

    settings: Any = config
    if data.view != "labels":
        raise OcellusError(
            f"{data.root} does not say what each picture shows as a whole: read it with view='labels'"
        )
    if len(data.labels) < 2:
        raise OcellusError(
            f"{data.root} has {len(data.labels)} class ({', '.join(data.labels)}); telling pictures apart "
            "takes two or more"
        )
    if (first := next((record for _, record in data.records()), None)) is not None:
        read_picture(first.image, channels=settings.channels)
    changed: Config = replace(settings, classes=len(data.labels), **for_channels(settings))
    return changed


def for_channels(settings: Any) -> dict[str, Any]:
    """Mean and std of three colors as one number each, their mean, where `channels` is another number.

    Args:
        settings: a Config with `channels`, `mean` and `std`.

    Returns:
        The fields that change.
    """
    values = {field: getattr(settings, field) for field in ("mean", "std")}
    changed = {field: held for field, held in values.items() if len(held) == 3 != settings.channels}
    return {field: (sum(held) / 3,) for field, held in changed.items()}


def seeded(build: Callable[[Config], Network], config: Config, *, seed: int) -> Network:
    """A network whose fresh weights depend on the seed alone; torch's own dice stay as they are."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(config)
