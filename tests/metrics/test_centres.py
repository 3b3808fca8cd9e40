"""Counting by centres, by hand."""

from __future__ import annotations

import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.centres import centres_found
from ocellus.values import Instances, Masks


def detections(boxes, scores, *, dense=None) -> Instances:
    return Instances(
        size=(60, 80),
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        scores=None if scores is None else torch.tensor(scores, dtype=torch.float32),
        masks=None if dense is None else Masks.from_dense(dense),
    )


def test_each_centre_once():
    centres = [(10, 10), (30, 10), (50, 50)]
    boxes = [[0, 0, 20, 20], [2, 2, 18, 18], [25, 0, 35, 20], [60, 0, 79, 20], [45, 45, 55, 55]]
    found = detections(boxes, [0.9, 0.8, 0.7, 0.6, 0.4])
    # The second is a repetition, the fourth holds nothing, the fifth is below the score.
    assert centres_found(found, centres, score=0.5) == (2, 2)
    assert centres_found(found, torch.tensor(centres), score=0.4) == (3, 2)
    assert centres_found(found, [], score=0.5) == (0, 4)


def test_takes_the_nearest_and_leaves_the_other():
    # The large box comes first and holds both; it must leave the left centre to the small box.
    found = detections([[0, 0, 50, 20], [0, 0, 15, 20]], [0.9, 0.8])
    assert centres_found(found, [(5, 10), (30, 10)], score=0.5) == (2, 0)
    # Both centres lie in the large box and the nearer one in the small: who comes first matters.
    boxes, centres = [[0, 0, 50, 20], [15, 0, 25, 20]], [(20, 10), (45, 10)]
    assert centres_found(detections(boxes, [0.9, 0.8]), centres, score=0.5) == (1, 1)
    assert centres_found(detections(boxes, [0.8, 0.9]), centres, score=0.5) == (2, 0)
    alone = detections([[0, 0, 50, 20]], [0.9])
    assert centres_found(alone, [(5, 10), (30, 10)], score=0.5) == (1, 0)


def test_inside_masks():
    dense = torch.zeros(2, 60, 80, dtype=torch.bool)
    dense[0, :20, :20] = True
    dense[0, 8:12, 8:12] = False  # a hole
    dense[1, 40:, 60:] = True
    found = detections([[0, 0, 20, 20], [60, 40, 80, 60]], [0.9, 0.8], dense=dense)
    assert centres_found(found, [(10.5, 10.5), (79.9, 59.9)], score=0.5) == (2, 0)
    assert centres_found(found, [(10.5, 10.5), (79.9, 59.9)], score=0.5, inside="masks") == (1, 1)
    assert centres_found(found, [(12, 5), (60, 40)], score=0.5, inside="masks") == (2, 0)
    assert centres_found(found, [(80, 60), (-1, 5)], score=0.5, inside="masks") == (0, 2)


def test_empty_and_refusals():
    assert centres_found(Instances.empty((5, 5)), [(1, 1)], score=0.5) == (0, 0)
    with pytest.raises(OcellusError, match="no scores"):
        centres_found(detections([[0, 0, 1, 1]], None), [(1, 1)], score=0.5)
    with pytest.raises(OcellusError, match="no masks"):
        centres_found(detections([[0, 0, 1, 1]], [0.9]), [(1, 1)], score=0.5, inside="masks")
    with pytest.raises(OcellusError, match=r"\(M, 2\)"):
        centres_found(detections([[0, 0, 1, 1]], [0.9]), [1, 2], score=0.5)
