"""The validator of pixels: what it measures is what was answered."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ocellus.data.dataset import Record
from ocellus.labels import LabelMap
from ocellus.training.dense import validator
from ocellus.training.settings import Fit
from ocellus.values import Picture, Segmentation

LABELS = LabelMap(("dark", "light", "never"))


def true_map(rows: tuple[tuple[int, ...], ...]) -> NDArray[np.uint8]:
    return np.array(rows, np.uint8)


def records(folder: Path) -> tuple[Record, ...]:
    """Two pictures of 2x3 pixels, black and white; the second's last pixel is ignored."""
    shades = (((0, 0, 255), (255, 255, 255)), ((0, 255, 255), (0, 0, 0)))
    truths = (((0, 1, 1), (1, 1, 1)), ((0, 1, 1), (0, 1, 255)))
    found = []
    for index, (shade, truth) in enumerate(zip(shades, truths, strict=True)):
        path = folder / f"{index}.png"
        Image.fromarray(np.array(shade, np.uint8)).convert("RGB").save(path)
        found.append(Record(image=path, name=path.name, label_map=partial(true_map, truth)))
    return tuple(found)


def bright(network: nn.Module, picture: Picture) -> Segmentation:
    """Pixels above a half are light."""
    scores = network(picture.floats()[None].mean(dim=1, keepdim=True))
    assert scores.dtype == (torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32)
    return Segmentation(labels=(scores[0, 0] > 0.5).to(torch.uint8))


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_figures_by_hand(precision: str, tmp_path: Path) -> None:
    """Right: 5 of 6 and 4 of 5; dark: 3 right of 3 true and 5 found; light: 6 right of 8 true and 6 found."""
    network = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(network.weight)
    fit = Fit(device="cpu", precision=precision)
    validate = validator(records(tmp_path), LABELS, bright, fit=fit)
    assert validate is not None
    figures = validate(network)
    assert figures["pixel_accuracy"] == pytest.approx(9 / 11)
    assert figures["IoU/dark"] == pytest.approx(3 / 5) and figures["IoU/light"] == pytest.approx(6 / 8)
    assert figures["mIoU"] == pytest.approx((3 / 5 + 6 / 8) / 2) and np.isnan(figures["IoU/never"])


def test_nothing_to_measure_on() -> None:
    assert validator((), LABELS, bright, fit=Fit(device="cpu", precision="32")) is None
