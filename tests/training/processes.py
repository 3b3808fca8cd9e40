"""Run by test_distributed.py in two processes: trains several things one after the other.

What each ends with is left in the folder given; tests compare.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

torch.set_num_threads(1)
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "see" / "mask_rcnn")]

import test_recipe  # noqa: E402
from test_distributed import PLAIN, RECIPE  # noqa: E402
from torch import Tensor  # noqa: E402
from toy import Batch, Examples, Recipe, train  # noqa: E402

from ocellus.errors import OcellusError  # noqa: E402
from ocellus.see.mask_rcnn.config import TINY, Train  # noqa: E402
from ocellus.training.distributed import is_first, layout  # noqa: E402
from ocellus.training.settings import Fit  # noqa: E402

RANK = layout().rank


class Signalled(Recipe):
    """One process alone gets the signal."""

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        if RANK == 1 and self.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().training_step(batch, index)


class Poisoned(Examples):
    """One picture that is not a number: it comes to one process alone."""

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, str]:
        image, target, name = super().__getitem__(key)
        return (image * float("nan") if key == (1, 4) else image), target, name


class Unreadable(Examples):
    """One picture that cannot be read."""

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, str]:
        if key == (1, 4):
            raise OcellusError("4.png is cut short")
        return super().__getitem__(key)


def failing(*_: Any) -> dict[str, float]:
    raise OcellusError("the validation failed")


def note(folder: Path, recipe: Any, error: OcellusError | None = None) -> None:
    """What this process ended with."""
    state = {name: value.clone() for name, value in recipe.state_dict().items()}
    message = f"{error.exit_code} {error}" if error else ""
    torch.save({"weights": state, "message": message}, folder / f"rank{RANK}.pt")


def attempt(folder: Path, settings: Fit, recipe: Any, **arguments: Any) -> None:
    """Train, and note how it ended."""
    try:
        train(folder, settings, recipe=recipe, **arguments)
    except OcellusError as error:
        note(folder, recipe, error)
    else:
        note(folder, recipe)


class Counting(test_recipe.Recipe):
    """Notes how many objects each batch holds."""

    def training_step(self, batch: Any, index: int) -> dict[str, Tensor]:
        self.counts.append(sum(len(target.boxes) for target in batch.targets))
        return super().training_step(batch, index)


def mask_rcnn(folder: Path, root: Path) -> None:
    """Three of four pictures have no objects, so that now one process has none and now both."""
    data = test_recipe.dataset(root, pictures=4, empty=(0, 1, 2))
    made = Counting(TINY, Train(), RECIPE, data.labels)
    made.counts = []
    arguments = {"examples": made.examples(data, "train"), "collate": made.collate, "monitor": made.monitor}
    validate = made.validator(data, "train")
    train(folder, RECIPE, recipe=made, validate=validate, save=test_recipe.save, **arguments)
    note(folder, made)
    (folder / f"counts{RANK}.txt").write_text(" ".join(map(str, made.counts)))


def main(root: Path) -> None:
    attempt(root / "plain", PLAIN, Recipe(PLAIN, norm=False, dropout=0.0))
    random = replace(PLAIN, accumulate=2, ema=0.9)
    attempt(root / "whole", random, Recipe(random))
    stopped = Signalled(random)
    attempt(root / "stopped", random, stopped)
    attempt(root / "stopped", random, Recipe(random), resume=True)
    for name, arguments in (
        ("poisoned", {"examples": Poisoned()}),
        ("unreadable", {"examples": Unreadable()}),
        ("failing", {"validate": failing}),
    ):
        attempt(root / name, PLAIN, Recipe(PLAIN), **arguments)
    pictures = root / f"pictures{RANK}"
    pictures.mkdir()
    mask_rcnn(root / "mask_rcnn", pictures)
    if is_first():
        (root / "done").touch()


main(Path(sys.argv[1]))
