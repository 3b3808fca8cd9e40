"""What is said, listed and drawn of what a picture shows as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ocellus.draw.classification import draw_classification, percent
from ocellus.values import Classification, Picture

MOST_NAMED = 5
"""Classes that a line names at most, and that JSON lists."""

WORTH_NAMING = 0.01
"""Probability from which a class beside the likeliest is named."""


def kept(value: Classification, *, score: float) -> Classification:
    """Itself without the picture: the likeliest class is one, whatever its probability."""
    return replace(value, picture=None)


def summary(value: Classification) -> str:
    """ "tabby 61 %, tiger cat 20 %"."""
    first, *others = value.top(MOST_NAMED)
    named = [first, *(entry for entry in others if entry[1] >= WORTH_NAMING)]
    return ", ".join(f"{name} {percent(share)}" for name, share in named)


def details(value: Classification) -> dict[str, Any]:
    """For JSON: the likeliest class, and the probabilities of the five likeliest."""
    best = value.top(MOST_NAMED)
    return {"label": best[0][0], "classes": {name: round(share, 6) for name, share in best}}


def draw(picture: Picture, value: Classification) -> Picture:
    """The picture with the likeliest classes below it."""
    return draw_classification(picture, value)
