"""Filters' settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which values are shown, and in what order."""

    space: str = "auto"
    """picture: the filters as they act on red, green and blue in [0, 1], whatever order and scale the network
    was trained with; weights: the layer's own numbers; auto: picture for the first layer, else weights."""
    order: str = "index"
    """index: as the network has them; norm: the strongest first; color: the most colorful first."""
