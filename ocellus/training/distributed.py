"""Several processes, started by torchrun: which one this is, and how they agree."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed

from ocellus.errors import OcellusError

T = TypeVar("T")

PATIENCE = timedelta(hours=12)  # that processes wait for the first one's validation


class Layout(NamedTuple):
    """Where this process stands, as torchrun says; one process alone is 0 of 1."""

    rank: int = 0
    world: int = 1
    local_world: int = 1


def layout() -> Layout:
    """The layout that torchrun's environment variables describe."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Layout()
    rank, world, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return Layout(rank, world, local)


def is_first() -> bool:
    """Whether this is the process that writes files and talks."""
    return layout().rank == 0


def running() -> bool:
    """Whether there are other processes to agree with now."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return there and torch.distributed.get_world_size() > 1


class Agreement:
    """What processes tell each other between steps: over gloo on the CPU, so that no GPU waits for it."""

    def __init__(self) -> None:
        self._group: Any = None
        if running():
            self._group = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)

    def any_of(self, *mine: bool) -> tuple[bool, ...]:
        """For each flag, whether it is set in any process."""
        if self._group is None:
            return mine
        flags = torch.tensor(mine, dtype=torch.int32)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX, group=self._group)
        return tuple(flag > 0 for flag in flags.tolist())

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """The mean over the processes, which must have the same names."""
        if self._group is None:
            return values
        row = torch.tensor([values[name] for name in sorted(values)], dtype=torch.float64)
        torch.distributed.all_reduce(row, group=self._group)
        row /= torch.distributed.get_world_size()
        means = dict(zip(sorted(values), row.tolist(), strict=True))
        return {name: means[name] for name in values}

    def first(self, work: Callable[[], T]) -> T:
        """What the first process's `work` returns; the others wait. Where it fails, it fails for all.

        Raises:
            OcellusError: `work` raised it in the first process.
        """
        if self._group is None:
            return work()
        outcome: list[tuple[T | None, str, int]] = [(None, "", 0)]
        if torch.distributed.get_rank() == 0:
            try:
                outcome = [(work(), "", 0)]
            except OcellusError as error:
                outcome = [(None, str(error), error.exit_code)]
        torch.distributed.broadcast_object_list(outcome, src=0, group=self._group)
        value, message, code = outcome[0]
        if code:
            raise OcellusError(message, exit_code=code)
        return value  # type: ignore[return-value]  # None only where the error was raised above
