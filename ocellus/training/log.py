"""The figures of a run: metrics.jsonl, one JSON object a line, and the same for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.training.checkpoint import write_failure

NAME = "metrics.jsonl"


class Log:
    """Writes figures; steps that a resumed run does again are dropped first, so that none stands there twice.

    Args:
        folder: of the run.
        after: steps that the run has behind it; lines of later ones are dropped.

    Raises:
        OcellusError: the files cannot be written; so do the methods.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / NAME
        try:
            forget(self.path, after=after)
            self._file = self.path.open("a", encoding="utf-8")
            self._board: Any = SummaryWriter(str(folder), purge_step=after + 1 if after else None)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """One line; figures that are not numbers (a class that does not occur) are left out."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        try:
            self._file.write(json.dumps({"step": step, "split": split, **finite}, ensure_ascii=False) + "\n")
            self._file.flush()
            for name, value in finite.items():
                self._board.add_scalar(f"{split}/{name}", value, step)
        except OSError as error:
            raise self._failure(error) from error

    def show(self, step: int, name: str, image: Tensor) -> None:
        """A picture for TensorBoard, (3, H, W) in [0, 1]."""
        try:
            self._board.add_image(f"samples/{name}", image.detach().float().clamp(0, 1).cpu(), step)
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """See that all lines are on the disk, before a checkpoint says that their steps are done."""
        try:
            os.fsync(self._file.fileno())
            self._board.flush()
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Let go of the files; what counts was written by `sync`, so that a full disk does not matter now."""
        for file in (self._file, self._board):
            with contextlib.suppress(OSError):
                file.close()

    def _failure(self, error: OSError) -> OcellusError:
        return OcellusError(
            f"{self.path} cannot be written ({write_failure(error)}); the last checkpoint is as it was. Free "
            "some space, or make the folder writable, and resume"
        )


def forget(path: Path, *, after: int) -> None:
    """Drop the lines of steps later than `after`, and a last line that was cut short."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if _step(line) <= after]
    if len(kept) < len(lines):
        temporary = path.with_name(path.name + ".writing")
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        temporary.replace(path)


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


class Window:
    """Means of figures since they were last taken; summed where they are, so that no device is waited for."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            value = value.detach().double() if value.device.type != "mps" else value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": {name: total.cpu() for name, total in self._sums.items()}, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Any], *, device: torch.device) -> None:
        self._sums = {name: total.to(device) for name, total in state["sums"].items()}
        self._counts = dict(state["counts"])
