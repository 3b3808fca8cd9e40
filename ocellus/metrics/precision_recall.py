"""From scored detections, right or wrong, to precision at 101 recalls, as COCO defines it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ocellus.metrics.matching import COUNT, THRESHOLDS
from ocellus.metrics.overlap import Floats, Integers
from ocellus.metrics.tally import Rows

RECALLS: Floats = np.linspace(0, 1, 101)


def precision_at_recalls(
    hits: Integers, position: Integers, scores: Floats, positives: int
) -> tuple[Floats, Floats]:
    """Precision and score at the 101 recalls 0, 0.01 ... 1.

    Precision at a recall is the best precision at that recall or any higher one; 0 where it is not reached.
    Only right detections need looking at: between them precision falls.

    Args:
        hits: (R,) places of the right detections among all of the class, by falling score.
        position: (R,) how many detections that are not ignored come up to and with each of them.
        scores: (D,) falling.
        positives: truths that count.

    Returns:
        (101,) precision and (101,) the score down to which one must go for the recall; nan where none does.
    """
    right = np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate((right / position)[::-1])[::-1]
    place = np.searchsorted(right / positives, RECALLS, side="left")
    reached = place < len(hits)
    precision, score = np.zeros(len(RECALLS)), np.full(len(RECALLS), np.nan)
    precision[reached] = envelope[place[reached]]
    score[reached] = scores[hits[place[reached]]]
    return precision, score


def by_class(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """The rows of each class that has any, by falling score; equal scores in the order of the pictures."""
    labels = rows["label"]
    for label in np.unique(labels):
        of_class = rows[labels == label]
        order = np.lexsort((of_class["rank"], of_class["picture"], -of_class["score"]))
        yield int(label), of_class[order]


def _case(rows: Rows, bit: int) -> tuple[Integers, Integers]:
    """(R,) hits and (R,) positions, see `precision_at_recalls`, of one case."""
    hits = np.flatnonzero(rows["found"] & (1 << bit))
    ignored = (rows["ignored"] & (1 << bit)) != 0
    return hits, hits + 1 - np.cumsum(ignored)[hits]


class Sweep(NamedTuple):
    """Averages over the recalls, by class, range of areas and threshold; nan where there is no truth.

    Args:
        precision: (C, A, T).
        recall: (C, A, T, M) the part of the truths found by the best m detections a class and picture.
    """

    precision: Floats
    recall: Floats


def sweep(rows: Rows, positives: Integers, limits: Sequence[int]) -> Sweep:
    """Average precision and recall of all cases.

    Args:
        rows: (D,) see `ocellus.metrics.tally.ROW`.
        positives: (C, A) truths that count.
        limits: M numbers of detections.
    """
    counted = np.broadcast_to(positives[:, :, None] > 0, (*positives.shape, COUNT))
    precision = np.where(counted, 0.0, np.nan)
    recall = np.where(counted[..., None], np.zeros(len(limits)), np.nan)
    for label, of_class in by_class(rows):
        scores, ranks = of_class["score"], of_class["rank"]
        for area, truths in enumerate(positives[label].tolist()):
            for threshold in range(COUNT if truths else 0):
                hits, position = _case(of_class, area * COUNT + threshold)
                values, _ = precision_at_recalls(hits, position, scores, truths)
                precision[label, area, threshold] = values.mean()
                recall[label, area, threshold] = [(ranks[hits] < limit).sum() / truths for limit in limits]
    return Sweep(precision, recall)


def curves(rows: Rows, positives: Integers) -> tuple[Floats, Floats]:
    """Precision and score at the 101 recalls over all areas, (C, T, 101) each; nan without truth."""
    truths = positives[:, 0]
    precision = np.full((len(truths), len(THRESHOLDS), len(RECALLS)), np.nan)
    precision[truths > 0] = 0
    score = np.full_like(precision, np.nan)
    for label, of_class in by_class(rows):
        for threshold in range(COUNT if truths[label] else 0):
            found = precision_at_recalls(*_case(of_class, threshold), of_class["score"], int(truths[label]))
            precision[label, threshold], score[label, threshold] = found
    return precision, score


def known_mean(values: Floats, *, axis: int | None = None) -> Floats:
    """The mean of what is not nan; nan where nothing is left."""
    known = ~np.isnan(values)
    total = np.asarray(np.where(known, values, 0).sum(axis))
    count = np.asarray(known.sum(axis))
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
