"""What an evaluation remembers of the pictures it has seen: one row a detection, and counts of the truths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.metrics.overlap import Integers

# 36 bytes: whatever the picture's size, and however many truths there are.
ROW = np.dtype(
    [
        ("score", np.float64),
        ("found", np.int64),  # bits of the cases in which the detection is right
        ("ignored", np.int64),  # bits of the cases in which it is neither right nor wrong
        ("picture", np.int32),
        ("label", np.int32),
        ("rank", np.int32),  # its place by score among the detections of its class in the picture
    ]
)
Rows = NDArray[np.void]
PENDING = 256  # small arrays are joined when so many have come: each costs a hundred bytes of its own


class Tally:
    """Rows of detections and the number of truths, (C, A) by class and range of areas."""

    def __init__(self, classes: int, ranges: int) -> None:
        self.positives: Integers = np.zeros((classes, ranges), np.int64)
        self._pending: list[Rows] = []
        self._blocks: list[Rows] = []

    def append(self, rows: Rows) -> None:
        if len(rows):
            self._pending.append(rows)
        if len(self._pending) >= PENDING:
            self._blocks.append(np.concatenate(self._pending))
            self._pending = []

    def rows(self) -> Rows:
        """(D,) all rows, joined."""
        blocks = [*self._blocks, *self._pending]
        self._blocks, self._pending = [np.concatenate(blocks)] if blocks else [np.zeros(0, ROW)], []
        return self._blocks[0]

    def merge(self, other: Tally, *, shift: int) -> None:
        """Takes over the other's rows, their picture numbers raised by `shift`, and counts."""
        rows = other.rows().copy()
        rows["picture"] += shift
        self._blocks.append(rows)
        self.positives += other.positives

    def state(self) -> dict[str, Tensor]:
        """The columns and counts as tensors."""
        rows = self.rows()
        columns = {name: torch.from_numpy(rows[name].copy()) for name in ROW.names or ()}
        return {**columns, "positives": torch.from_numpy(self.positives.copy())}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Becomes what `state` described."""
        rows = np.zeros(len(state["score"]), ROW)
        for name in ROW.names or ():
            rows[name] = state[name].cpu().numpy()
        self.positives = state["positives"].cpu().numpy().copy()
        self._blocks, self._pending = [rows], []
