"""Validation during a run: no trace of it in the run's randomness; which weights are the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from ocellus.errors import OcellusError
from ocellus.training.plan import State, Validate
from ocellus.training.signals import Break, Stop

Answer = TypeVar("Answer")


def evenly(count: int, most: int) -> list[int]:
    """Numbers below `count`, all of them or `most` that lie evenly among them."""
    return list(range(count)) if count <= most else [-(-number * count // most) for number in range(most)]


def measure(network: nn.Module, validate: Validate, *, seed: int, stop: Stop) -> dict[str, float] | None:
    """A network's figures; see `aside`.

    Returns:
        The figures, or None where a signal ended the validation.
    """
    found = aside(network, validate, seed=seed, stop=stop)
    return None if found is None else {name: float(value) for name, value in found.items()}


def aside(network: nn.Module, work: Callable[[nn.Module], Answer], *, seed: int, stop: Stop) -> Answer | None:
    """What is asked of a network in eval mode, without gradients and with random numbers of its own.

    Returns:
        The answer, or None where a signal ended the work.
    """
    modes = [(module, module.training) for module in network.modules()]
    devices = {p.device.index or 0 for p in network.parameters() if p.device.type == "cuda"}
    network.eval()
    try:
        with stop.breakable(), torch.random.fork_rng(devices=sorted(devices)), torch.no_grad():
            torch.manual_seed(seed)
            return work(network)
    except Break:
        return None
    finally:
        for module, mode in modes:
            module.training = mode


def judge(state: State, metrics: dict[str, float], *, monitor: str, lower_is_better: bool) -> bool:
    """Note the figures of a validation; whether these weights are the best so far.

    Until there is a figure that is a number, the latest weights are the best, so that there always is a best.

    Raises:
        OcellusError: the figure to judge by is not among them. Exit code 2.
    """
    if monitor not in metrics:
        raise OcellusError(
            f"there is no figure {monitor!r} to choose the best weights by; there is {', '.join(metrics)}",
            exit_code=2,
        )
    value = metrics[monitor]
    state.validated = state.step
    known = state.best is not None and math.isfinite(state.best)
    better = not known or (value < state.best if lower_is_better else value > state.best)  # type: ignore[operator]
    if known and not math.isfinite(value):
        better = False
    state.stale = 0 if better and math.isfinite(value) else state.stale + 1
    if better:
        state.best, state.best_step, state.metrics = value, state.step, dict(metrics)
    return better
