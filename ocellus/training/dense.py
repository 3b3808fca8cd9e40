"""What recipes of networks that give every pixel a class share: examples, class weights, validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import read_picture
from ocellus.data.label_examples import LabelExamples, LabelVariation, Weigh
from ocellus.labels import LabelMap
from ocellus.metrics.segmentation import PixelConfusion
from ocellus.nn.dense import DenseConfig
from ocellus.nn.segmentation_losses import balanced_class_weights
from ocellus.training.devices import choose_device, choose_precision
from ocellus.training.plan import Validate
from ocellus.training.settings import Fit
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED

Predict = Callable[[Any, Picture], Segmentation]


def label_examples(
    dataset: Dataset,
    split: str,
    *,
    config: DenseConfig,
    train: LabelVariation,
    fit: Fit,
    weights: Weigh | None = None,
) -> LabelExamples:
    """A split's pictures and label maps, varied as the settings say.

    Args:
        dataset: with label maps.
        split: "train" or another of its splits.
        config: for the channels and the short side.
        train: how to vary them.
        fit: for the seed.
        weights: of the pixels' losses; see `LabelExamples`.
    """
    return LabelExamples(
        dataset.splits[split],
        dataset,
        train=train,
        channels=config.channels,
        short_side=config.short_side,
        seed=fit.seed,
        weights=weights,
    )


def class_weights(dataset: Dataset, split: str, *, loss: str) -> Tensor | None:
    """(K,) weights of the classes where the loss is "balanced", by all pixels of a split; None for others."""
    return balanced_class_weights(pixel_counts(dataset, split)) if loss == "balanced" else None


def pixel_counts(dataset: Dataset, split: str) -> Tensor:
    """(K,) int64, how many pixels of a split each class has."""
    counts = np.zeros(len(dataset.labels), np.int64)
    for record in dataset.splits[split]:
        if record.label_map is not None:
            counts += np.bincount(record.label_map().ravel(), minlength=IGNORED + 1)[: len(counts)]
    return torch.from_numpy(counts)


def validator(
    records: Sequence[Record], labels: LabelMap, predict: Predict, *, fit: Fit, channels: int = 3
) -> Validate | None:
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
