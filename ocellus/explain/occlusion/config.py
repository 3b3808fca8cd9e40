"""Occlusion's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """The window, and what is put under it."""

    window: int = 32
    """Side of the square that is covered, in pixels of what the network is given."""
    stride: int = 16
    """Pixels from one window to the next, at most the window's side."""
    fills: tuple[str, ...] = ("mean",)
    """Put there: mean (the picture's color), blur (it, blurred) or a number; of several, the average."""
    batch: int = 8
    """Covered pictures that go through the network together; on two cores 4 to 8 are fastest."""
