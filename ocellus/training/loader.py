"""Batches for a run: torch's DataLoader over examples that are drawn by (epoch, index)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from ocellus.errors import OcellusError
from ocellus.training.sampler import Key, Keys
from ocellus.training.signals import leave_to_parent


class Drawn(Protocol):
    """Training examples: as many as there are pictures, each drawn by (epoch, index)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key, /) -> Any: ...


class Failure(NamedTuple):
    """An error on its way from the process that read a picture; torch would make a page of text of it."""

    message: str
    exit_code: int


class Careful(Dataset[Any]):
    """Examples that hand an OcellusError over as a value."""

    def __init__(self, examples: Drawn) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, key: Key) -> Any:
        try:
            return self.examples[key]
        except OcellusError as error:
            return Failure(str(error), error.exit_code)


class Collate:
    """The system's collate, unless an example failed: then that Failure."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Any]) -> Any:
        failures = [item for item in items if isinstance(item, Failure)]
        return failures[0] if failures else self.collate(list(items))


def make_loader(
    examples: Drawn, collate: Callable[[list[Any]], Any], *, keys: Keys, workers: int, device: str
) -> DataLoader[Any]:
    """Batches in the order of `keys`, whatever the number of processes that read them."""
    return DataLoader(
        Careful(examples),
        batch_sampler=keys,
        collate_fn=Collate(collate),
        num_workers=workers,
        worker_init_fn=_begin_worker if workers else None,
        pin_memory=device.startswith("cuda"),
        generator=torch.Generator(),  # its own, so that the run's generator is left alone
    )


def _begin_worker(_: int) -> None:
    leave_to_parent()
    torch.set_num_threads(1)
