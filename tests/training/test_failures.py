"""Errors of torch that a user can do something about."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy import Batch, Examples, Recipe, train

from ocellus.errors import OcellusError
from ocellus.training.failures import understood
from ocellus.training.settings import Fit

SETTINGS = Fit(steps=2, batch_size=4, precision="32", workers=1)


class Greedy(Recipe):
    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        torch.empty(2**60, dtype=torch.uint8)
        return super().training_step(batch, index)


def test_too_little_memory(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="memory of the device is not enough: lower --batch-size"):
        train(tmp_path, SETTINGS, recipe=Greedy(SETTINGS))
    assert understood(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")) is not None


class Doomed(Examples):
    """The system ends the process that reads, as it does for want of memory."""

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, str]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_killed_reader(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="a process that reads pictures was ended"):
        train(tmp_path, SETTINGS, examples=Doomed())


def test_others_are_left_alone() -> None:
    assert understood(RuntimeError("shapes do not match")) is None
    assert understood(KeyError("a")) is None
