"""Maximal patches' settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which units, how many patches of each, and how far a patch reaches."""

    units: tuple[int, ...] = ()
    """The units that are shown; none: as many as `most`, those with the strongest patches."""
    most: int = 9
    """How many units are shown where none are named; 0: all of the layer."""
    top: int = 9
    """Patches of each unit, each of another picture."""
    field: str = "walk"
    """How far a patch reaches. walk: the unit's whole receptive field, found by following a forward pass;
    gradient: the box around the pixels on which the unit's value in that very picture depends."""
    share: float = 0.95
    """Of the gradient's magnitude the box holds this share, for field gradient."""
    batch: int = 8
    """Pictures of one size, one behind the other, that are looked at together."""
