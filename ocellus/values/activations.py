"""What a layer's units answered to one picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Masking:
    """What became of an answer when some units of a layer were silenced.

    Args:
        layer: whose units.
        silenced: how many of them.
        units: how many it has.
        target: "class tabby": the answer.
        before: its score, a logit of a classifier.
        after: its score with the units at 0.
        shares: its probability before and after, where it is a class of a classifier.
        first: what a classifier answers first before and after, with the probability.
    """

    layer: str
    silenced: int
    units: int
    target: str
    before: float
    after: float
    shares: tuple[float, float] | None = None
    first: tuple[tuple[str, float], ...] = ()

    def line(self) -> str:
        """ "without 12 of 256 units of layer3: class tabby 7.31 -> 2.02 (71.2 % -> 8.4 %)"."""
        text = f"without {self.silenced} of {self.units} units of {self.layer}: {self.target} "
        text += f"{self.before:.3g} -> {self.after:.3g}"
        if self.shares is not None:
            text += f" ({100 * self.shares[0]:.1f} % -> {100 * self.shares[1]:.1f} %)"
        if len(self.first) == 2 and self.first[0][0] != self.first[1][0]:
            text += f"; it now says {self.first[1][0]}"
        return text


@dataclass(frozen=True, eq=False, kw_only=True)
class Activations:
    """Maps of some units of a layer, for one picture.

    Args:
        values: (n, h, w) float32, the maps.
        channels: which units of the layer they are.
        count: how many units the layer has.
        asleep: how many of all units are nowhere above 0 in this picture.
        layer: its name.
        effects: (n,) by how much the answer falls when one unit alone is silenced, where asked.
        target: the answer that `effects` and `masking` speak of.
        masking: what silencing some units did, where asked.
        picture: what was looked at, where kept.
        method: "activations".
    """

    values: Tensor
    channels: tuple[int, ...]
    count: int
    asleep: int
    layer: str
    effects: Tensor | None = None
    target: str = ""
    masking: Masking | None = None
    picture: Picture | None = field(default=None)
    method: str = "activations"

    def __post_init__(self) -> None:
        if self.values.dtype != torch.float32 or self.values.ndim != 3:
            given = f"{tuple(self.values.shape)} {self.values.dtype}"
            raise ValueError(f"activations are (n, h, w) float32, not {given}")
        if len(self.channels) != len(self.values):
            raise ValueError(f"{len(self.channels)} channels for {len(self.values)} maps")

    def to_dict(self) -> dict[str, Any]:
        """For JSON: for each map its unit, range and strongest place, as column and row of the map."""
        width = self.values.shape[2]
        units = []
        for index, (channel, own) in enumerate(zip(self.channels, self.values, strict=True)):
            row, column = divmod(int(own.argmax()), width)
            facts: dict[str, Any] = {"unit": channel, "low": float(own.amin()), "high": float(own.amax())}
            facts |= {"peak": [column, row], "awake": float((own > 0).float().mean())}
            units.append(facts | ({} if self.effects is None else {"effect": float(self.effects[index])}))
        about: dict[str, Any] = {
            "method": self.method,
            "layer": self.layer,
            "size": list(self.values.shape[1:]),
        }
        about |= {"count": self.count, "asleep": self.asleep, "units": units}
        if self.masking is not None:
            about["masking"] = dict(vars(self.masking))
        return about

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the maps and what they are of to a .npz file."""
        arrays: dict[str, Any] = {"values": self.values.cpu().numpy(), "channels": np.array(self.channels)}
        arrays |= {"layer": self.layer, "count": self.count, "asleep": self.asleep, "target": self.target}
        if self.effects is not None:
            arrays["effects"] = self.effects.cpu().numpy()
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **arrays)

    def to(self, device: torch.device | str) -> Activations:
        effects = None if self.effects is None else self.effects.to(device)
        picture = None if self.picture is None else self.picture.to(device)
        return replace(self, values=self.values.to(device), effects=effects, picture=picture)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        height, width = self.values.shape[1:]
        return f"Activations({len(self)} of {self.count} units at {self.layer}, {width}x{height})"
