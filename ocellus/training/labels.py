"""Validation of networks that say what a picture shows as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ocellus.data.dataset import Record
from ocellus.data.images import read_picture
from ocellus.labels import LabelMap
from ocellus.metrics.classification import ClassConfusion
from ocellus.nn.dense import logits_of
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.values import Picture

Prepare = Callable[[Picture], Tensor]

AT_ONCE = 32
"""Pictures of one size that are looked at together."""


def validator(
    records: Sequence[Record], labels: LabelMap, prepare: Prepare, *, fit: Fit, channels: int = 3
) -> Validate | None:
    """A function that measures a network on pictures: top 1, top 5, recall of each class, calibration, ...

    Args:
        records: pictures with labels.
        labels: the classes.
        prepare: picture -> (C, h, w) as the network is to see it.
        fit: its precision and device are those of the training.
        channels: that the network takes.

    Returns:
        The function; None: there are no pictures.
    """
    reduced = choose_precision(fit.precision, choose_device(fit.device)) == "bf16"

    def validate(network: nn.Module) -> dict[str, float]:
        confusion = ClassConfusion(labels.names)
        place = next(network.parameters()).device

        def look(images: Sequence[Tensor], truths: Sequence[int]) -> None:
            with torch.autocast(place.type, torch.bfloat16, enabled=reduced):
                logits = logits_of(network, torch.stack(list(images)).to(place))
            confusion.add(logits.float().softmax(dim=1), torch.tensor(truths))

        waiting: list[tuple[Tensor, int]] = []
        for record in records:
            assert record.label is not None
            image = prepare(read_picture(record.image, channels=channels))
            if waiting and (len(waiting) == AT_ONCE or waiting[0][0].shape != image.shape):
                look(*zip(*waiting, strict=True))
                waiting = []
            waiting.append((image, record.label))
        if waiting:
            look(*zip(*waiting, strict=True))
        return confusion.result()

    return validate if records else None
