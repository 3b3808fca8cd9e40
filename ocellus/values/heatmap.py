"""Why a network said so: one number for each pixel of a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.values.html import heatmap_html
from ocellus.values.picture import Picture

HOT = ((30, 12, 80), (150, 30, 110), (235, 95, 50), (255, 215, 80), (255, 255, 225))
"""Colors of an unsigned map from nothing to the most, evenly spaced; each is lighter than the one before."""
FOR, AGAINST = (220, 40, 30), (40, 80, 230)
"""Colors of a signed map: what speaks for the answer, and what speaks against it."""
DENSEST = 0.8  # opacity of the largest value, so that the picture still shows


@dataclass(frozen=True, eq=False, kw_only=True)
class Heatmap:
    """How much each pixel of an (H, W) picture mattered to one answer of a network.

    Args:
        values: (H, W) float32. Where the method has a sign, positive speaks for the answer and negative
            against it; else they are 0 or more. Their unit is the method's own.
        method: "gradcam": what made it.
        target: "class tabby": the answer that is explained.
        layer: the layer that was looked at; empty where the method needs none.
        signed: whether negative values mean something.
        channels: (C, H, W) float32, signed, the part of each color, where the method knows it.
        picture: what it is of, where kept.
    """

    values: Tensor
    method: str
    target: str
    layer: str = ""
    signed: bool = False
    channels: Tensor | None = None
    picture: Picture | None = None

    def __post_init__(self) -> None:
        if self.values.dtype != torch.float32 or self.values.ndim != 2:
            given = f"{tuple(self.values.shape)} {self.values.dtype}"
            raise ValueError(f"the values of a heat map are (H, W) float32, not {given}")
        if self.channels is not None and self.channels.shape[1:] != self.values.shape:
            raise ValueError(f"channels of {tuple(self.channels.shape)} in a heat map of {self.size}")
        if self.picture is not None and self.picture.size != self.size:
            raise ValueError(f"a heat map of {self.size} for a picture of {self.picture.size}")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.values.shape[0]), int(self.values.shape[1])

    def normalized(self) -> Tensor:
        """(H, W) divided by its largest magnitude: in [0, 1], signed maps in [-1, 1]. All 0 stays all 0."""
        largest = self.values.abs().amax()
        return self.values / largest if largest > 0 else torch.zeros_like(self.values)

    def peak(self) -> tuple[int, int]:
        """(row, column) of the largest value, the first of several."""
        row, column = divmod(int(self.values.argmax()), self.size[1])
        return row, column

    def mask(self, share: float = 0.5) -> Tensor:
        """(H, W) bool: where the map is at least this share of its largest value; empty where that is 0.

        Args:
            share: in (0, 1]; Zhou 2016 (arXiv:1512.04150, section 3.2) takes 0.2, Selvaraju 2017 0.15.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share is {share:g}; it is above 0 and at most 1")
        largest = self.values.amax()
        return (
            self.values >= share * largest if largest > 0 else torch.zeros_like(self.values, dtype=torch.bool)
        )

    def box(self, share: float = 0.5) -> Tensor | None:
        """(4,) float32 x1, y1, x2, y2 in pixels, around the largest connected part of the mask.

        This is weakly supervised localisation: a place from a network that only ever learned names
        (arXiv:1512.04150, section 3.2).

        Args:
            share: as for `mask`.

        Returns:
            The box; None where no value is above 0.
        """
        from scipy import ndimage

        parts, count = ndimage.label(self.mask(share).cpu().numpy())
        if count == 0:
            return None
        largest = int(np.bincount(parts.ravel())[1:].argmax())
        rows, columns = ndimage.find_objects(parts)[largest]
        return torch.tensor([columns.start, rows.start, columns.stop, rows.stop], dtype=torch.float32)

    def rgba(self) -> NDArray[np.uint8]:
        """(H, W, 4) uint8: the map as a color to be laid over the picture, opaque where it matters.

        Unsigned maps go from dark through red to light yellow; signed ones are red for and blue against.
        """
        values = self.normalized().cpu().numpy()
        strength = np.abs(values) if self.signed else np.clip(values, 0, 1)
        if self.signed:
            paint = np.where((values >= 0)[:, :, None], np.array(FOR), np.array(AGAINST)).astype(np.float32)
        else:
            stops = np.linspace(0, 1, len(HOT))
            paint = np.stack([np.interp(strength, stops, [c[i] for c in HOT]) for i in range(3)], axis=2)
        opacity = 255 * DENSEST * np.sqrt(strength)  # the root, so that weak parts can be seen
        return np.concatenate([paint, opacity[:, :, None]], axis=2).round().astype(np.uint8)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the values and what they are of to a .npz file; the picture is not in it."""
        arrays: dict[str, Any] = {"values": self.values.cpu().numpy(), "signed": self.signed}
        arrays |= {"method": self.method, "target": self.target, "layer": self.layer}
        if self.channels is not None:
            arrays["channels"] = self.channels.cpu().numpy()
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: str | os.PathLike[str], *, picture: Picture | None = None) -> Heatmap:
        """What `save` wrote.

        Args:
            path: the .npz file.
            picture: what the map is of, to be kept with it.
        """
        with np.load(path) as arrays:
            return Heatmap(
                values=torch.from_numpy(arrays["values"]),
                channels=torch.from_numpy(arrays["channels"]) if "channels" in arrays else None,
                method=str(arrays["method"]),
                target=str(arrays["target"]),
                layer=str(arrays["layer"]),
                signed=bool(arrays["signed"]),
                picture=picture,
            )

    def to(self, device: torch.device | str) -> Heatmap:
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Tensor, Picture)):
                moved[field.name] = value.to(device)
        return replace(self, **moved)

    def __repr__(self) -> str:
        layer = f" at {self.layer}" if self.layer else ""
        low, high = float(self.values.amin()), float(self.values.amax())
        size = f"{self.size[1]}x{self.size[0]}"
        return f"Heatmap({self.method} of {self.target}{layer}, {size}, {low:.3g} to {high:.3g})"

    def _repr_html_(self) -> str:
        return heatmap_html(self)
