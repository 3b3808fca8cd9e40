"""Which detection finds which object, at ten overlaps and in every range of areas at once.

COCO's rules ("Detection Evaluation" on its site; Lin 2014, arXiv:1405.0312). Of one class in one picture,
detections choose in the order of their scores. Each takes, among the objects that it overlaps enough and
that are not yet taken, the one that it overlaps most; only where there is none, one that is to be ignored: a
crowd, which any number of detections may take, or an object outside the range of areas. A detection that took
an ignored object, or that took none and is outside the range itself, is ignored too: not right, not wrong.

The choice differs between thresholds and ranges of areas, 40 cases in all. A case is a bit of an integer, so
that one walk over the overlapping pairs settles them all: bit `range * 10 + threshold`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ocellus.metrics.overlap import Flags, Floats, Integers

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
COUNT = len(THRESHOLDS)
EVERY_THRESHOLD = (1 << COUNT) - 1


class AreaRange(NamedTuple):
    """Objects of an area from `least` to `most` pixels, both inclusive."""

    name: str
    least: float
    most: float


ALL = AreaRange("all", 0, 1e10)
SMALL = AreaRange("small", 0, 32**2)
MEDIUM = AreaRange("medium", 32**2, 96**2)
LARGE = AreaRange("large", 96**2, 1e10)
AREA_RANGES = (ALL, SMALL, MEDIUM, LARGE)
KEYPOINT_AREA_RANGES = (ALL, MEDIUM, LARGE)


def outside(areas: Floats, ranges: tuple[AreaRange, ...]) -> Integers:
    """(N,) bits of the cases whose range of areas an object is outside of, at every threshold."""
    least, most = np.array([(area.least, area.most) for area in ranges]).T
    bits = EVERY_THRESHOLD << (np.arange(len(ranges)) * COUNT)
    return np.asarray(((areas[:, None] < least) | (areas[:, None] > most)) @ bits)


def every_case(ranges: tuple[AreaRange, ...]) -> int:
    """The bits of all cases."""
    return (1 << (len(ranges) * COUNT)) - 1


class Ranked(NamedTuple):
    """The detections of a picture, class by class and by falling score.

    Args:
        order: (D,) their places in the picture's Instances; equal scores stay in their order.
        labels: (D,) classes.
        scores: (D,) float64.
        ranks: (D,) places among the detections of their class, from 0.
    """

    order: Integers
    labels: Integers
    scores: Floats
    ranks: Integers

    def best(self, count: int) -> Ranked:
        """Without those that rank behind the first `count` of their class."""
        keep = self.ranks < count
        if keep.all():
            return self
        return Ranked(self.order[keep], self.labels[keep], self.scores[keep], self.ranks[keep])


def rank(labels: Integers, scores: Floats) -> Ranked:
    """Sorts the detections of a picture, (D,) classes and (D,) scores."""
    order = np.lexsort((-scores, labels))
    labels, scores = labels[order], scores[order]
    return Ranked(order, labels, scores, np.arange(len(labels)) - np.searchsorted(labels, labels))


def same_class(labels: Integers, others: Integers) -> tuple[Integers, Integers]:
    """(P,) and (P,): the pairs (i, j) for which labels[i] == others[j]."""
    first, second = np.nonzero(labels[:, None] == others[None, :])
    return first, second


class Matches(NamedTuple):
    """What became of D detections, in bits of the cases.

    Args:
        found: (D,) right: took an object that counts.
        ignored: (D,) neither right nor wrong.
    """

    found: Integers
    ignored: Integers


def match(
    pairs: tuple[Integers, Integers],
    overlaps: Floats,
    *,
    ignored: Integers,
    crowd: Flags,
    outside: Integers,
    cases: int,
) -> Matches:
    """Lets the detections of one picture choose.

    Args:
        pairs: (P,) detections, ranked (see `rank`), and (P,) truths of the same class.
        overlaps: (P,) how much they overlap.
        ignored: (G,) bits of the cases in which a truth is ignored.
        crowd: (G,) truths that any number of detections may take.
        outside: (D,) bits of the cases whose range of areas a detection is outside of.
        cases: the bits of all cases.
    """
    enough = np.flatnonzero(overlaps >= THRESHOLDS[0])
    first, second, overlaps = pairs[0][enough], pairs[1][enough], overlaps[enough]
    # Most overlap first; of equal overlaps the last truth, as pycocotools does.
    order = np.lexsort((-second, -overlaps, first))
    first, second, overlaps = first[order], second[order], overlaps[order]
    reached = np.searchsorted(THRESHOLDS, overlaps, side="right")
    reach = (REACH[reached] & cases).tolist()
    borders = [*np.flatnonzero(np.diff(first, prepend=-1)).tolist(), len(first)]
    choosers, truths = first.tolist(), second.tolist()
    free = [cases] * len(ignored)  # the cases in which each truth is not yet taken
    leave, many = ignored.tolist(), crowd.tolist()
    found, left_out = [0] * len(outside), [0] * len(outside)
    for begin, end in pairwise(borders):
        open_cases, took = cases, 0
        for pair in range(begin, end):
            truth = truths[pair]
            take = reach[pair] & free[truth] & ~leave[truth] & open_cases
            free[truth] &= ~take
            open_cases &= ~take
            took |= take
        found[choosers[begin]] = took
        for pair in range(begin, end):
            truth = truths[pair]
            take = reach[pair] & free[truth] & leave[truth] & open_cases
            if not many[truth]:
                free[truth] &= ~take
            open_cases &= ~take
        left_out[choosers[begin]] = cases & ~open_cases & ~took
    right, aside = np.array(found, np.int64), np.array(left_out, np.int64)
    return Matches(right, aside | (outside & ~right))


# The cases whose threshold is among the first n, in six ranges of areas: as many as an int64 has room for.
REACH: Integers = np.array(
    [sum(((1 << n) - 1) << (index * COUNT) for index in range(6)) for n in range(COUNT + 1)], np.int64
)


def pair_off(first: Integers, second: Integers) -> list[int]:
    """Which of P pairs are taken, one to one, by going through them in order; the best pair comes first."""
    taken, used, claimed = [], set(), set()
    for pair, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if one not in used and other not in claimed:
            used.add(one)
            claimed.add(other)
            taken.append(pair)
    return taken
