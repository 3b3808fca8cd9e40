"""Validation of networks that give every pixel a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ocellus.data.dataset import Record
from ocellus.data.images import read_picture
from ocellus.labels import LabelMap
from ocellus.metrics.segmentation import PixelConfusion
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.settings import Fit
from ocellus.values import Picture, Segmentation

Predict = Callable[[Any, Picture], Segmentation]


def validator(
    records: Sequence[Record], labels: LabelMap, predict: Predict, *, fit: Fit, channels: int = 3
) -> Callable[[nn.Module], dict[str, float]] | None:
    """A function that measures a network on pictures: mean IoU, pixel accuracy, IoU of each class, ...

    Args:
        records: pictures with label maps.
        labels: the classes, the background too.
        predict: (network, picture) -> Segmentation at the picture's own size.
        fit: its precision and device are those of the training.
        channels: that the network takes.

    Returns:
        The function; None: there are no pictures.
    """
    reduced = choose_precision(fit.precision, choose_device(fit.device)) == "bf16"

    def validate(network: nn.Module) -> dict[str, float]:
        confusion = PixelConfusion(labels.names)
        place = next(network.parameters()).device.type
        for record in records:
            assert record.label_map is not None
            picture = read_picture(record.image, channels=channels)
            with torch.autocast(place, torch.bfloat16, enabled=reduced):
                found = predict(network, picture)
            confusion.add_maps(found.labels.numpy(), record.label_map())
        return confusion.result()

    return validate if records else None
