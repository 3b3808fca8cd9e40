"""A layer's filters: what each of them answers to most."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SILENT = 0.01
"""Share of the largest norm below which a filter counts as silent."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Filters:
    """The filters of one layer.

    Args:
        weights: (N, C, h, w) float32, of N filters over C channels.
        layer: its name.
        kind: of layer, "Conv2d".
        in_picture: whether the channels are those of the picture in [0, 1], red first, whatever order and
            scale the network was trained with; else they are those of the layer's own input.
        numbers: (N,) which filter of the layer each is; empty: in the layer's order.
        method: "filters".
    """

    weights: Tensor
    layer: str
    kind: str = "Conv2d"
    in_picture: bool = False
    numbers: tuple[int, ...] = ()
    method: str = "filters"

    def __post_init__(self) -> None:
        if self.weights.dtype != torch.float32 or self.weights.ndim != 4:
            given = f"{tuple(self.weights.shape)} {self.weights.dtype}"
            raise ValueError(f"filters are (N, C, h, w) float32, not {given}")

    @property
    def colored(self) -> bool:
        """Whether they can be shown in color."""
        return self.in_picture and self.weights.shape[1] == 3

    def norms(self) -> Tensor:
        """(N,) the length of each filter: by how much its answer can change."""
        lengths: Tensor = torch.linalg.vector_norm(self.weights, dim=(1, 2, 3))
        return lengths

    def smoothness(self) -> Tensor:
        """(N,) how alike neighbouring weights are, -1 to 1; about 0 for noise, nan for filters of one pixel.

        The sum of w(x) w(x + 1) over all neighbours in a row or column, divided by that of the mean squares.
        """
        products = self.weights.new_zeros(len(self.weights))
        squares = self.weights.new_zeros(len(self.weights))
        for dim in (2, 3):
            length = self.weights.shape[dim]
            one, other = self.weights.narrow(dim, 0, length - 1), self.weights.narrow(dim, 1, length - 1)
            products += (one * other).flatten(1).sum(dim=1)
            squares += ((one.square() + other.square()) / 2).flatten(1).sum(dim=1)
        return products / squares

    def colorfulness(self) -> Tensor:
        """(N,) the share of each filter's energy that is not grey, 0 to 1; 2/3 for noise of three colors."""
        grey = self.weights.mean(dim=1).square().flatten(1).sum(dim=1) * self.weights.shape[1]
        return 1 - grey / self.weights.square().flatten(1).sum(dim=1)

    def silent(self) -> Tensor:
        """(N,) bool: filters that answer to next to nothing."""
        norms = self.norms()
        return norms <= SILENT * norms.amax()

    def to_dict(self) -> dict[str, Any]:
        """For JSON: medians, and how many are silent."""
        awake = ~self.silent()
        about = {"method": self.method, "layer": self.layer, "kind": self.kind}
        facts = {
            "shape": list(self.weights.shape),
            "in_picture": self.in_picture,
            "silent": int(self.silent().sum()),
            "smoothness": _median(self.smoothness()[awake]),
        }
        return about | facts | ({"colorfulness": _median(self.colorfulness()[awake])} if self.colored else {})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the weights and what they are of to a .npz file."""
        tensors = {"norms": self.norms(), "smoothness": self.smoothness(), "weights": self.weights}
        arrays: dict[str, Any] = {name: values.cpu().numpy() for name, values in tensors.items()}
        arrays["numbers"] = np.array(self.numbers or range(len(self)), np.int64)
        arrays |= {"layer": self.layer, "kind": self.kind, "in_picture": self.in_picture}
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **arrays)

    def to(self, device: torch.device | str) -> Filters:
        return replace(self, weights=self.weights.to(device))

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        count, channels, height, width = self.weights.shape
        return f"Filters({count} of {channels}x{height}x{width} at {self.layer})"


def _median(values: Tensor) -> float | None:
    finite = values[values.isfinite()]
    return round(float(finite.median()), 4) if len(finite) else None
