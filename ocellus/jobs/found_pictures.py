"""What is said, listed and written of pictures that a network made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocellus.draw.sheet import draw_sheet
from ocellus.values import Picture

LEAST_CELL = 64
"""Width in pixels of the smallest cell of a sheet."""


def kept(value: Picture, *, score: float) -> Picture:
    """Itself: there is nothing to leave out."""
    return value


def summary(value: Picture) -> str:
    """ "512x384", "512x384, cycle error 0.04"."""
    facts = [f"{name} {figure:.4g}" for name, figure in value.facts.items()]
    return ", ".join([f"{value.size[1]}x{value.size[0]}", *facts])


def details(value: Picture) -> dict[str, Any]:
    """For JSON: (H, W) of what was made, and what is known of it."""
    return {"made": list(value.size), **value.facts}


def draw(picture: Picture, value: Picture) -> Picture:
    """What was made, as it is."""
    return value


def sheet(pictures: Sequence[Picture], *, columns: int = 8) -> Picture:
    """Pictures of one class in rows; small ones are enlarged."""
    width = max(LEAST_CELL, *(picture.size[1] for picture in pictures))
    return draw_sheet(pictures, columns=columns, cell_width=width, gap=4)
