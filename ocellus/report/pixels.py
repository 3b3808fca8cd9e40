"""A picture where every pixel has a class: what is annotated, what was found, what is wrong."""

from __future__ import annotations

from ocellus.draw.segmentation import draw_mistakes, draw_segmentation, draw_uncertainty
from ocellus.report.evaluation import Example
from ocellus.report.gallery import LONGEST, Shown
from ocellus.values import Segmentation


def draw_example(entry: Shown[Segmentation], why: str) -> Example:
    """The three at the page's size, each class in the same color in all of them.

    The page has a legend of its own. Where nothing is known of the truth, the third shows where the network
    is unsure.
    """
    longest = min(LONGEST, 2 * max(entry.picture.size))
    truth = None
    if entry.truth is not None:
        truth = draw_segmentation(entry.picture, entry.truth, longest=longest, legend=False)
        mistakes = draw_mistakes(entry.picture, entry.prediction, entry.truth, longest=longest)
    else:
        mistakes = draw_uncertainty(entry.prediction, longest=longest)
    return Example(
        name=entry.name,
        score=entry.score,
        truth=truth,
        prediction=draw_segmentation(entry.picture, entry.prediction, longest=longest, legend=False),
        mistakes=mistakes,
        why=why,
        note=entry.note,
    )
