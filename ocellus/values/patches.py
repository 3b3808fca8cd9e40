"""Which parts of which pictures excite a unit most."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Patch:
    """One place that excites a unit.

    Args:
        unit: which channel of the layer.
        score: its activation there.
        place: row and column in the layer's maps.
        box: x1, y1, x2, y2 in pixels of the picture: what the unit sees there, without what is beyond it.
        path: of the picture.
        picture: this part of it.
        awake: (H, W) float32 in [0, 1], of the part's size: the unit's activation there, 1 at the place.
    """

    unit: int
    score: float
    place: tuple[int, int]
    box: tuple[int, int, int, int]
    path: str
    picture: Picture
    awake: Tensor

    def masked(self, share: float = 0.5) -> Picture:
        """The part with what excites the unit alone: the rest, where the activation is below a share of that
        at the place, is darkened to a quarter (Bau 2017, arXiv:1704.05796, figure 1, shows units so)."""
        dimmed = (self.picture.pixels.float() * 0.25).round().to(torch.uint8)
        return Picture(pixels=torch.where(self.awake >= share, self.picture.pixels, dimmed))


@dataclass(frozen=True, eq=False, kw_only=True)
class Patches:
    """The strongest patches of some units of a layer, over many pictures.

    Args:
        patches: of each unit the strongest first; the units in the order in which they are shown.
        layer: its name.
        units: the units that were asked for or chosen; one that nothing excites has no patch.
        count: how many units the layer has.
        seen: how many pictures were looked at.
        field: (height, width) of what one place of the layer sees, in the network's input.
        remarks: what is to be known of the field.
        method: "max_patches".
    """

    patches: tuple[Patch, ...]
    layer: str
    units: tuple[int, ...]
    count: int
    seen: int
    field: tuple[int, int]
    remarks: tuple[str, ...] = ()
    method: str = "max_patches"

    def of(self, unit: int) -> tuple[Patch, ...]:
        """One unit's patches."""
        return tuple(patch for patch in self.patches if patch.unit == unit)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {"unit": one.unit, "score": one.score, "place": list(one.place), "box": list(one.box)}
            | {"picture": one.path}
            for one in self.patches
        ]
        about = {"method": self.method, "layer": self.layer, "units": list(self.units), "count": self.count}
        return about | {
            "seen": self.seen, "field": list(self.field), "remarks": list(self.remarks), "patches": rows
        }  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes scores, places, boxes and paths to a .npz file, a row a patch; the parts are not in it."""
        rows = self.patches
        with Path(path).open("wb") as file:
            np.savez_compressed(
                file, layer=self.layer, units=np.array([one.unit for one in rows], np.int64),
                scores=np.array([one.score for one in rows], np.float32),
                places=np.array([one.place for one in rows], np.int64).reshape(-1, 2),
                boxes=np.array([one.box for one in rows], np.int64).reshape(-1, 4),
                paths=np.array([one.path for one in rows], dtype=str), field=np.array(self.field),
            )  # fmt: skip

    def to(self, device: torch.device | str) -> Patches:
        moved = [
            replace(one, picture=one.picture.to(device), awake=one.awake.to(device)) for one in self.patches
        ]
        return replace(self, patches=tuple(moved))

    def __len__(self) -> int:
        return len(self.patches)

    def __repr__(self) -> str:
        return f"Patches({len(self)} of {len(self.units)} units at {self.layer}, {self.seen} pictures seen)"
