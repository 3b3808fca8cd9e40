"""Run by test_resume.py: trains the toy whole, and killed at each of KILLS and resumed.

One process imports everything and then forks for each run, so that each takes a fraction of a second.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

torch.set_num_threads(1)

from test_resume import KILLS, SETTINGS  # noqa: E402
from toy import Batch, Recipe, save, train, validate  # noqa: E402

from ocellus.training import checkpoint  # noqa: E402


def die(folder: Path) -> NoReturn:
    (folder / "was-killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Mortal(Recipe):
    """Dies in the second half of a step, when half of its gradients are there."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(SETTINGS)
        self.folder = folder
        self.last_step = step
        self.step = 0
        self.batches = 0

    def training_step(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
        if self.step == self.last_step and index % 2 == 1:
            die(self.folder)
        return super().training_step(batch, index)


def arguments(folder: Path, step: int, when: str) -> dict[str, Any]:
    """What makes a run die in the given place."""
    if when == "loss":
        return {"recipe": Mortal(folder, step)}
    recipe = Recipe(SETTINGS)
    recipe.step = 0

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            result = function(*given)
            if recipe.step + 1 == step:
                die(folder)
            return result

        return called

    if when == "validation":
        return {"recipe": recipe, "validate": dying(validate)}
    if when == "save":
        return {"recipe": recipe, "save": dying(save)}
    if when == "write":  # all is in last.ckpt.writing
        checkpoint.os.fsync = dying(os.fsync)
        return {"recipe": recipe}
    replace = Path.replace

    def half(self: Path, target: Path) -> Path:
        result = replace(self, target)
        if Path(target).name == checkpoint.PREVIOUS and recipe.step + 1 == step:
            die(folder)
        return result

    Path.replace = half  # type: ignore[method-assign]
    return {"recipe": recipe}


def child(folder: Path, step: int = -1, when: str = "", **more: Any) -> int:
    """Train in a process of its own, to die in the given place if one is given; how it ended."""
    process = os.fork()
    if process == 0:
        try:
            train(folder, SETTINGS, **(arguments(folder, step, when) if when else {}), **more)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(root: Path) -> None:
    assert child(root / "whole") == 0
    for _, step, when in KILLS:
        folder = root / f"{step}-{when}"
        ended = child(folder, step, when, keep_seconds=0.0)  # a checkpoint after each step
        assert ended == -signal.SIGKILL, (step, when, ended)
        assert child(folder, resume=True) == 0, (step, when)


main(Path(sys.argv[1]))
