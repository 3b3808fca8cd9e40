"""A picture that was said to be of a class: what the model says, and whether that is right."""

from __future__ import annotations

from ocellus.draw.classification import draw_classification
from ocellus.report.evaluation import Example
from ocellus.report.gallery import LONGEST, Shown
from ocellus.values import Classification

SMALLEST = 240
"""Pixels of the longer side on the page, of thumbnails too."""


def draw_example(entry: Shown[Classification], why: str) -> Example:
    """One picture at the page's size with the likeliest classes below it; the true one is marked there.

    Args:
        entry: whose truth has all its probability on the true class, where it is known.
        why: "best", "worst" or "sample".
    """
    label = None if entry.truth is None else entry.truth.label
    longest = max(SMALLEST, min(LONGEST, 2 * max(entry.picture.size)))
    drawn = draw_classification(entry.picture, entry.prediction, truth=label, count=3, longest=longest)
    return Example(name=entry.name, score=entry.score, truth=None, prediction=drawn, why=why, note=entry.note)
