"""The confusion matrix by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.confusion import ConfusionMatrix
from ocellus.values import Instances, Masks

NAMES = ("cat", "dog")


def side(*objects, scores=None, crowd=None, masks=None) -> Instances:
    boxes = torch.tensor([box for box, _ in objects], dtype=torch.float32).reshape(-1, 4)
    return Instances(
        size=(100, 100),
        boxes=boxes,
        labels=torch.tensor([label for _, label in objects], dtype=torch.int64),
        scores=None if scores is None else torch.tensor(scores, dtype=torch.float32),
        crowd=None if crowd is None else torch.tensor(crowd),
        masks=masks,
    )


A, B, C, D = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (60, 0, 90, 30)


def test_by_hand():
    truth = side((A, 0), (B, 1), (C, 0), (D, 1), crowd=[False, False, False, True])
    prediction = side(
        (A, 1),  # overlaps A best, but the cat below has the right class: false
        ((0, 0, 10, 9), 0),  # right
        (B, 0),  # a dog taken for a cat
        (C, 0),  # below the score: C is missed
        ((61, 1, 70, 10), 1),  # in the crowd: left out
        ((0, 50, 10, 60), 1),  # false
        scores=[0.9, 0.8, 0.7, 0.4, 0.9, 0.5],
    )
    confusion = ConfusionMatrix(NAMES)
    confusion.add(prediction, truth)
    assert confusion.matrix().tolist() == [[1, 0, 1], [1, 0, 0], [0, 2, 0]]
    found = confusion.result()
    assert found["box/precision at IoU 0.50 score 0.50"] == 1 / 4
    assert found["box/recall at IoU 0.50 score 0.50"] == 1 / 3
    assert len(confusion) == 1


def test_largest_overlap_first_and_one_to_one():
    truth = side((A, 0), ((0, 0, 10, 11), 0))
    prediction = side(((0, 0, 10, 11), 0), (A, 0), (A, 0), scores=[0.9, 0.8, 0.7])
    confusion = ConfusionMatrix(NAMES)
    confusion.add(prediction, truth)
    assert confusion.matrix().tolist() == [[2, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_confused_with_what_it_overlaps_most():
    confusion = ConfusionMatrix((*NAMES, "elk"))
    confusion.add(side(((0, 0, 10, 9), 2), scores=[0.9]), side(((0, 0, 10, 6), 0), (A, 1)))
    assert confusion.matrix().tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_masks_and_empty_sides():
    dense = torch.zeros(2, 100, 100, dtype=torch.bool)
    dense[0, :10, :10] = True
    dense[1, 5:10, :10] = True
    one, half = Masks.from_dense(dense[:1]), Masks.from_dense(dense[1:])
    confusion = ConfusionMatrix(NAMES, kind="masks", overlap=0.5)
    confusion.add(side((A, 0), scores=[0.9], masks=half), side((A, 0), masks=one))  # exactly half
    confusion.add(side(scores=[]), side((A, 1), masks=one))
    confusion.add(side((A, 1), scores=[0.9], masks=one), side())
    assert confusion.matrix().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    stricter = ConfusionMatrix(NAMES, kind="masks", overlap=0.51)
    stricter.add(side((A, 0), scores=[0.9], masks=half), side((A, 0), masks=one))
    assert stricter.matrix().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    with pytest.raises(OcellusError, match="the prediction has no masks"):
        stricter.add(side((A, 0), scores=[0.9]), side((A, 0), masks=one))


def test_merge_adds_and_refuses_other_settings():
    first, second = ConfusionMatrix(NAMES), ConfusionMatrix(NAMES)
    assert math.isnan(first.result()["box/recall at IoU 0.50 score 0.50"])
    first.add(side((A, 0), scores=[0.9]), side((A, 0)))
    second.add(side((A, 1), scores=[0.9]), side((A, 1)))
    first.merge(second)
    assert first.matrix().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert len(first) == 2
    with pytest.raises(OcellusError, match="same names, kind, overlap and score"):
        first.merge(ConfusionMatrix(NAMES, score=0.4))
    with pytest.raises(OcellusError, match="above 0"):
        ConfusionMatrix(NAMES, overlap=0)
