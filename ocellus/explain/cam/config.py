"""CAM's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which part of the map is shown."""

    part: str = "both"
    """both: signed, as published; positive: what speaks for the class; negative: what speaks against it."""
