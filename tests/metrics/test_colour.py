"""Measures of colours by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ocellus.metrics.colour import ab_psnr, accuracy_area, colourfulness


def test_psnr_by_hand() -> None:
    truth = torch.zeros(2, 3, 4)
    assert ab_psnr(truth, truth) == math.inf
    assert ab_psnr(truth + 22, truth) == pytest.approx(20.0)  # an error of a tenth of the peak


def test_area_is_that_of_the_curve() -> None:
    """The share within each whole threshold from 0 to 150, written down, is what the closed form gives."""
    dice = np.random.default_rng(0)
    ab, truth = (torch.from_numpy(dice.uniform(-110, 110, (2, 5, 6))).float() for _ in range(2))
    weights = torch.from_numpy(dice.uniform(0.1, 3, (5, 6))).float()
    apart = np.hypot(*(ab - truth).numpy())
    curve = [(apart <= threshold).mean() for threshold in range(151)]
    assert accuracy_area(ab, truth) == pytest.approx(np.mean(curve), abs=1e-5)
    shares = weights.numpy() / weights.numpy().sum()
    curve = [shares[apart <= threshold].sum() for threshold in range(151)]
    assert accuracy_area(ab, truth, weights=weights) == pytest.approx(np.mean(curve), abs=1e-5)
    assert accuracy_area(truth, truth) == pytest.approx(1.0)


def test_colourfulness_by_hand() -> None:
    assert colourfulness(torch.full((3, 4, 4), 0.3)) == 0
    image = torch.zeros(3, 1, 2)
    image[0, 0, 0] = 1  # red beside black: red - green 255 and 0, yellow - blue 127.5 and 0
    spread, mean = math.hypot(127.5, 63.75), math.hypot(127.5, 63.75)
    assert colourfulness(image) == pytest.approx(spread + 0.3 * mean)
