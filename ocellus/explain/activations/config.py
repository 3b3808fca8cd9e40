"""Activation maps' settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which units are shown, and which are silenced."""

    units: tuple[int, ...] = ()
    """The units that are shown, in this order; none: as many as `most`."""
    most: int = 36
    """How many are shown where none are named."""
    order: str = "strongest"
    """Which are shown where none are named. strongest: the largest value first; varied: those whose values
    differ most over the picture; index: the first ones."""
    mask: tuple[int, ...] = ()
    """Units that are set to 0, to see what becomes of the answer."""
    keep: tuple[int, ...] = ()
    """Units that are kept, all others of the layer being set to 0."""
    mask_layer: str = ""
    """The layer whose units are masked or kept; empty: the one that is shown. Its maps are shown as they are
    without the masked units, so that what a unit does to later layers can be seen."""
    effects: bool = False
    """Silence each unit that is shown by itself too, and say by how much the answer falls."""
