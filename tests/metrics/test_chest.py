"""Widths by hand; speckles do not widen; what is missing is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.chest import measure, widest, without_speckles
from ocellus.values import Segmentation

LABELS = {"left lung": 1, "right lung": 2, "heart": 3}


def xray() -> torch.Tensor:
    """(60, 100): the right lung on the left of the picture; the heart's borders in different rows."""
    labels = torch.zeros(60, 100, dtype=torch.uint8)
    labels[10:50, 10:40] = 2
    labels[45:50, 5:40] = 2  # wider below
    labels[10:50, 60:88] = 1
    labels[20:30, 38:58] = 3
    labels[30:40, 44:70] = 3
    return labels


def test_widths_and_areas_by_hand() -> None:
    labels = xray()
    found = measure(Segmentation(labels=labels), LABELS)
    assert found.heart == (38, 70, 30)  # borders of both parts; its widest row is in the lower one
    assert found.thorax == (5, 88, 45)
    assert found.ratio == pytest.approx(32 / 83)
    assert found.areas["heart"] == 10 * 20 + 10 * 26
    assert found.areas["left lung"] == 40 * 28 - 10 * 10
    assert found.shares["heart"] == pytest.approx(460 / 6000)
    assert not found.mirrored
    turned = measure(Segmentation(labels=labels.flip(1)), LABELS)
    assert turned.mirrored and turned.ratio == pytest.approx(found.ratio)


def test_speckles_do_not_widen() -> None:
    labels = xray()
    labels[2:4, 97:99] = 1
    labels[55:58, 0:2] = 3
    clean, dirty = (measure(Segmentation(labels=one), LABELS) for one in (xray(), labels))
    assert dirty.heart == clean.heart and dirty.thorax == clean.thorax and dirty.areas == clean.areas
    two = np.zeros((10, 10), bool)
    two[:4, :4] = two[6:, 6:] = True  # as large as each other: both stay
    assert np.array_equal(without_speckles(two), two)


def test_widest_row() -> None:
    mask = np.zeros((4, 9), bool)
    mask[1, 2], mask[1, 6], mask[3, 4:8] = True, True, True
    assert widest(mask) == (2, 7, 1)


def test_missing_structures_are_named() -> None:
    labels = xray()
    labels[labels == 3] = 0
    with pytest.raises(OcellusError, match=r"a\.png: no heart found \(found: left lung, right lung\)"):
        measure(Segmentation(labels=labels), LABELS, name="a.png")
