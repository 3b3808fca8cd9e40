"""A picture as it came from a file or a camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ocellus.values.html import picture_html


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """One picture.

    Args:
        pixels: (3, H, W) uint8 RGB.
        path: the file it came from, where there is one; a video's frames are "clip.mp4#12".
        channels: (C, H, W) float32 in [0, 1], where it holds more than a screen can show: other channels than
            red, green and blue, or more than 8 bits. `pixels` is then what is shown of it.
        facts: figures that what made it gives with it, by name, like {"cycle error": 0.04}.
    """

    pixels: Tensor
    path: str | None = None
    channels: Tensor | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 3 or self.pixels.shape[0] != 3:
            given = f"{tuple(self.pixels.shape)} {self.pixels.dtype}"
            raise ValueError(
                f"a picture is (3, H, W) uint8 RGB, not {given}; see ocellus.data.images.to_picture"
            )
        if self.channels is not None and self.channels.shape[1:] != self.pixels.shape[1:]:
            given = f"{tuple(self.channels.shape)} channels"
            raise ValueError(f"{given} in a picture of {tuple(self.pixels.shape)}; the sides must agree")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def floats(self) -> Tensor:
        """(3, H, W) float32 in [0, 1]; (C, H, W) where it has channels of its own."""
        return self.pixels.float() / 255 if self.channels is None else self.channels

    def to(self, device: torch.device | str) -> Picture:
        channels = None if self.channels is None else self.channels.to(device)
        return replace(self, pixels=self.pixels.to(device), channels=channels)

    def __repr__(self) -> str:
        return f"Picture({self.size[1]}x{self.size[0]}{f', {self.path!r}' if self.path else ''})"

    def _repr_html_(self) -> str:
        return picture_html(self)
