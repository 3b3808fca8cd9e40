"""Mean, median, or one of the two: what squared, absolute and adversarial losses answer."""

from __future__ import annotations

import pytest
import torch

from benchmarks.two_answers import COUNT, generated, guessed, targets


@pytest.mark.parametrize("black", [0.4, 0.5, 0.6])
def test_squared_error_gives_the_mean(black: float) -> None:
    assert float(targets(black).mean()) == pytest.approx(1 - black)
    torch.testing.assert_close(guessed(black, loss="mse"), torch.full((COUNT,), 1 - black), atol=1e-3, rtol=0)


def test_absolute_error_gives_the_median_and_is_undecided_between_two() -> None:
    assert guessed(0.6, loss="l1").max() < 1e-3
    assert guessed(0.4, loss="l1").min() > 1 - 1e-3
    torch.testing.assert_close(guessed(0.5, loss="l1"), torch.linspace(0.05, 0.95, COUNT))


def test_an_adversary_gives_one_of_the_two() -> None:
    made = generated(0.5, steps=600, count=200)
    assert ((made < 0.1) | (made > 0.9)).float().mean() > 0.9, "grey is found out"
    assert 0.1 < float((made > 0.5).float().mean()) < 0.9, "both are made"
