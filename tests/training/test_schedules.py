"""The learning rate over a run, against values worked out by hand and torch's schedulers."""

from __future__ import annotations

import pytest
import torch

from ocellus.training.schedules import rate
from ocellus.training.settings import Fit


def test_warmup() -> None:
    settings = Fit(schedule="constant", warmup_steps=10)
    assert rate(0, steps=100, settings=settings) == 0.001
    assert rate(5, steps=100, settings=settings) == pytest.approx(0.5005)
    assert rate(10, steps=100, settings=settings) == rate(99, steps=100, settings=settings) == 1
    assert rate(0, steps=100, settings=Fit(schedule="constant", warmup_steps=0)) == 1


def test_cosine_is_torch_s() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=80)
    settings = Fit(schedule="cosine", warmup_steps=20)
    for step in range(20, 100):
        assert rate(step, steps=100, settings=settings) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rate(10, steps=100, settings=settings) == pytest.approx(0.5005)


def test_multistep_is_the_paper_s() -> None:
    settings = Fit(schedule="multistep", warmup_steps=500)
    rates = [rate(step, steps=90_000, settings=settings) for step in (59_999, 60_000, 79_999, 80_000)]
    assert rates == pytest.approx([1, 0.1, 0.1, 0.01])


def test_linear_is_constant_for_half_of_the_run_and_then_falls_to_zero() -> None:
    settings = Fit(schedule="linear", warmup_steps=0)
    rates = [rate(step, steps=8, settings=settings) for step in range(9)]
    assert rates == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert [rate(step, steps=1, settings=settings) for step in (0, 1)] == [1, 0]
    assert rate(6, steps=8, settings=Fit(schedule="linear", warmup_steps=12)) == pytest.approx(0.5 * 0.5005)


def test_run_shorter_than_its_warmup() -> None:
    rates = [rate(step, steps=5, settings=Fit(warmup_steps=100)) for step in range(5)]
    assert rates == sorted(rates) and rates[-1] < 0.05
