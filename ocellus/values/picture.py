"""A picture as it came from a file or a camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ocellus.values.html import picture_html


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """One picture.

    Args:
        pixels: (3, H, W) uint8 RGB.
        path: the file it came from, where there is one; a video's frames are "clip.mp4#12".
    """

    pixels: Tensor
    path: str | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 3 or self.pixels.shape[0] != 3:
            given = f"{tuple(self.pixels.shape)} {self.pixels.dtype}"
            raise ValueError(
                f"a picture is (3, H, W) uint8 RGB, not {given}; see ocellus.data.images.to_picture"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def floats(self) -> Tensor:
        """(3, H, W) float32 in [0, 1]."""
        return self.pixels.float() / 255

    def to(self, device: torch.device | str) -> Picture:
        return replace(self, pixels=self.pixels.to(device))

    def __repr__(self) -> str:
        return f"Picture({self.size[1]}x{self.size[0]}{f', {self.path!r}' if self.path else ''})"

    def _repr_html_(self) -> str:
        return picture_html(self)
