"""Where pictures lie in a plane that keeps like ones near each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedding:
    """N pictures as points of a plane.

    Args:
        points: (N, 2) float32; their unit and directions mean nothing.
        paths: of the pictures.
        labels: of the pictures; "" where not known.
        method: "tsne": what made it.
        divergence: what the method made as small as it could; of t-SNE the Kullback-Leibler divergence.
    """

    points: Tensor
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    method: str = "tsne"
    divergence: float = float("nan")

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points are (N, 2), not {tuple(self.points.shape)}")
        if not len(self.points) == len(self.paths) == len(self.labels):
            given = f"{len(self.points)} points, {len(self.paths)} paths and {len(self.labels)} labels"
            raise ValueError(f"{given}; there must be one of each for every picture")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels there are, in the order of the alphabet."""
        return tuple(sorted({label for label in self.labels if label}))

    def to(self, device: torch.device | str) -> Embedding:
        return replace(self, points=self.points.to(device))

    def save(self, path: Path | str) -> None:
        """Write points, paths and labels to an .npz, which `numpy.load` reads.

        Args:
            path: the file; one of that name is replaced at the last moment.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".writing")
        with temporary.open("wb") as file:
            np.savez_compressed(
                file, points=self.points.cpu().numpy(), paths=np.array(self.paths),
                labels=np.array(self.labels), method=np.array(self.method),
                divergence=np.array(self.divergence),
            )  # fmt: skip
        temporary.replace(path)

    def __repr__(self) -> str:
        return f"Embedding({len(self)} pictures, {len(self.names)} labels)"
