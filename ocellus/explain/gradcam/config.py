"""Grad-CAM's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which part of the map is shown."""

    part: str = "positive"
    """positive: what speaks for the answer (the paper's ReLU); negative: against it; both: signed."""
