"""Which pictures of an evaluation to show: the best, the worst, and some that every model is shown with."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Generic, TypeVar

import torch
from torchvision.ops import box_iou

from ocellus.draw.chips import Color
from ocellus.draw.instances import PARTS, draw_instances, object_colors
from ocellus.report.evaluation import Example
from ocellus.values import Instances, Picture

LONGEST = 480
"""Pixels of the longer side of a picture on the page."""

Value = TypeVar("Value")

FALSE_COLOR: Color = (222, 226, 232)
"""Of an object found where none is annotated, where all are of one class."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Shown(Generic[Value]):
    """A picture that may be shown, not drawn yet."""

    name: str
    score: float
    picture: Picture
    prediction: Value
    truth: Value | None
    note: str


@dataclass(eq=False, kw_only=True)
class Gallery(Generic[Value]):
    """Takes pictures one at a time and holds on to those that will be shown; draws them at the end.

    Args:
        best: how many of the highest scores.
        worst: how many of the lowest.
        samples: how many by name alone: the same for every model that is evaluated on the data.
        draw: makes an example of a picture, and of the word why it was chosen; objects of a score of 0.5.
    """

    best: int = 4
    worst: int = 4
    samples: int = 4
    draw: Callable[[Shown[Any], str], Example] = field(default_factory=lambda: draw_example)
    _kept: dict[str, list[tuple[float, int, Shown[Value]]]] = field(default_factory=dict)
    _count: int = 0

    def add(
        self,
        name: str,
        score: float,
        *,
        picture: Picture,
        prediction: Value,
        truth: Value | None = None,
        note: str = "",
    ) -> None:
        """One picture of the evaluation.

        Args:
            name: the picture's, which tells it from all others.
            score: how well it went, 0 to 1; nan: it is neither among the best nor among the worst.
            picture: itself.
            prediction: what was found in it.
            truth: what is annotated, where known.
            note: a few words for its caption.
        """
        entry = Shown(name=name, score=score, picture=picture, prediction=prediction, truth=truth, note=note)
        self._count += 1
        if not isnan(score):
            self._offer("best", score, entry, self.best)
            self._offer("worst", -score, entry, self.worst)
        self._offer(
            "sample", -float(int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)), entry, self.samples
        )

    def examples(self) -> tuple[Example, ...]:
        """The chosen pictures, drawn; the best from the best down, the worst from the worst up, each once."""
        chosen: dict[str, Example] = {}
        for why in ("best", "worst", "sample"):
            for _, _, entry in sorted(self._kept.get(why, []), key=lambda kept: kept[:2], reverse=True):
                if entry.name not in chosen:
                    chosen[entry.name] = self.draw(entry, why)
        return tuple(chosen.values())

    def _offer(self, why: str, rank: float, entry: Shown[Value], limit: int) -> None:
        kept = self._kept.setdefault(why, [])
        item = (rank, -self._count, entry)
        if len(kept) < limit:
            heapq.heappush(kept, item)
        elif limit:
            heapq.heappushpop(kept, item)


def draw_example(entry: Shown[Instances], why: str, *, score_threshold: float = 0.5) -> Example:
    """A picture with what is annotated and with what was found, both at the page's size.

    Objects of several classes have their class's color and label. Where there is one class, each object has a
    color of its own, the same in both pictures where it was found, and what was found where nothing is
    annotated is pale; a name on every object would only hide it.
    """
    longest = min(LONGEST, 2 * max(entry.picture.size))
    found = entry.prediction
    if found.scores is not None:
        found = found[found.scores >= score_threshold]
    one_class = len(found.names) <= 1
    show = tuple(part for part in PARTS if part != "labels") if one_class else PARTS
    colors: str | list[Color] = "class"
    truth = None
    if entry.truth is not None:
        true_colors = "object" if one_class else "class"
        truth = draw_instances(entry.picture, entry.truth, show=show, colors=true_colors, longest=longest)
        colors = matched_colors(entry.truth, found) if one_class else "class"
    prediction = draw_instances(entry.picture, found, show=show, colors=colors, longest=longest)
    return Example(
        name=entry.name, score=entry.score, truth=truth, prediction=prediction, why=why, note=entry.note
    )


def matched_colors(truth: Instances, found: Instances) -> list[Color]:
    """For each object found the color of the annotated one that its box overlaps most, by half or more.

    Args:
        truth: N annotated objects, drawn each in its own color.
        found: M objects, the surest of which chooses first.
    """
    paints = object_colors(truth, "object")
    overlaps = box_iou(found.boxes, truth.boxes)  # (M, N)
    colors = [FALSE_COLOR] * len(found)
    order = found.scores.argsort(descending=True) if found.scores is not None else torch.arange(len(found))
    for index in order.tolist() if len(truth) else ():
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= 0.5:
            colors[index] = paints[best]
            overlaps[:, best] = -1
    return colors
