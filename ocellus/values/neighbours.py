"""Which stored pictures a network finds most like a given one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import torch
from torch import Tensor

from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbours:
    """The stored pictures nearest to one picture, the nearest first.

    Args:
        rows: (K,) int64, their places in the database.
        distances: (K,) float64: 1 - cosine of the angle, or the Euclidean distance.
        paths: of the K pictures.
        labels: of the K pictures; "" where not known.
        metric: "cosine" or "l2".
        layer: the layer whose features are compared.
        exact: whether no stored picture can be nearer than those given.
        picture: what they are neighbours of, where kept.
    """

    rows: Tensor
    distances: Tensor
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    metric: str = "cosine"
    layer: str = ""
    exact: bool = True
    picture: Picture | None = None

    def __post_init__(self) -> None:
        counts = {len(self.rows), len(self.distances), len(self.paths), len(self.labels)}
        if len(counts) != 1:
            raise ValueError(f"rows, distances, paths and labels of neighbours are {counts}, not one number")

    def __len__(self) -> int:
        return len(self.paths)

    def vote(self) -> str:
        """The label that most neighbours have; of several the one whose first is nearest; "" without any."""
        known = [label for label in self.labels if label]
        return max(dict.fromkeys(known), key=known.count, default="")

    def figure(self, index: int) -> str:
        """ "0.912" cosine likeness, or the distance: what is shown below a picture."""
        distance = float(self.distances[index])
        return f"{1 - distance:.3f}" if self.metric == "cosine" else f"{distance:.4g}"

    def to(self, device: torch.device | str) -> Neighbours:
        picture = None if self.picture is None else self.picture.to(device)
        return replace(self, rows=self.rows.to(device), distances=self.distances.to(device), picture=picture)

    def __repr__(self) -> str:
        shown = ", ".join(f"{Path(path).name} {self.figure(i)}" for i, path in enumerate(self.paths[:3]))
        return f"Neighbours({len(self)}: {shown})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(Path(path).name)}</td><td>{escape(label)}</td><td>{self.figure(index)}</td></tr>"
            for index, (path, label) in enumerate(zip(self.paths, self.labels, strict=True))
        )
        return f"<table><tr><th>picture</th><th>label</th><th>{escape(self.metric)}</th></tr>{rows}</table>"
