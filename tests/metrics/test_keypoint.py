"""PCK and NME by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.keypoint import KeypointErrors, object_lengths
from ocellus.values import Instances

POINTS = ("eye", "tail")


def side(boxes, points, *, scores=None, crowd=None) -> Instances:
    return Instances(
        size=(100, 100),
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        keypoints=torch.tensor(points, dtype=torch.float32).reshape(-1, 2, 3),
        scores=None if scores is None else torch.tensor(scores, dtype=torch.float32),
        crowd=None if crowd is None else torch.tensor(crowd),
    )


BOX, FAR, THIRD = [0, 0, 20, 10], [50, 50, 70, 60], [50, 0, 70, 10]


def counted(**settings) -> KeypointErrors:
    truth = side(
        [BOX, FAR, THIRD],
        [[[5, 5, 2], [15, 5, 1]], [[55, 55, 2], [65, 55, 0]], [[0, 0, 2], [0, 0, 2]]],
        crowd=[False, False, True],
    )
    # The second fits the points better, but its box overlaps less; the third finds the crowd.
    prediction = side(
        [BOX, [0, 0, 20, 9], THIRD],
        [[[5, 7, 1], [15, 8, 1]], [[5, 5, 1], [15, 5, 1]], [[0, 0, 1], [0, 0, 1]]],
        scores=[0.3, 0.9, 0.9],
    )
    errors = KeypointErrors(["mouse"], POINTS, fractions=(0.1, 0.2), **settings)
    errors.add(prediction, truth)
    return errors


def test_by_hand():
    # The longer side is 20: errors 0.1 and 0.15 of the first; the second is not found; the crowd is left out.
    found = counted().result()
    assert found["keypoint/found"] == 0.5
    assert found["keypoint/NME/box"] == pytest.approx(0.125)
    assert found["keypoint/NME/box/tail"] == pytest.approx(0.15)
    assert found["keypoint/PCK@0.1/box"] == pytest.approx(1 / 3)
    assert found["keypoint/PCK@0.2/box"] == pytest.approx(2 / 3)
    assert found["keypoint/PCK@0.2/box/eye"] == pytest.approx(1 / 2)
    assert found["keypoint/PCK@0.2/box/tail"] == 1


def test_length_between_two_points():
    # The second truth has no tail, so that its length is unknown.
    found = counted(by=(0, 1)).result()
    assert found["keypoint/found"] == 1
    assert found["keypoint/NME/eye-tail"] == pytest.approx(0.25)
    assert found["keypoint/PCK@0.2/eye-tail/eye"] == 1


def test_lengths():
    truth = side([BOX, BOX], [[[0, 0, 2], [3, 4, 2]], [[1, 1, 2], [1, 1, 2]]])
    np.testing.assert_allclose(object_lengths(truth, "box"), [20, 20])
    np.testing.assert_allclose(object_lengths(truth, "area"), [200**0.5] * 2)
    np.testing.assert_allclose(object_lengths(truth, (0, 1)), [5, np.nan])


def test_score_and_merge():
    strict = counted(score=0.95)
    assert strict.result()["keypoint/PCK@0.2/box"] == 0
    assert math.isnan(strict.result()["keypoint/NME/box"])
    both = counted()
    both.merge(counted())
    assert both.result() == pytest.approx(counted().result())
    both.add(Instances.empty((9, 9)), Instances.empty((9, 9)))
    assert both.result() == pytest.approx(counted().result())
    with pytest.raises(OcellusError, match="same settings"):
        both.merge(strict)


def test_refuses_other_keypoints():
    errors = KeypointErrors(["mouse"], ("a", "b", "c"))
    pair = side([BOX], [[[0, 0, 2], [1, 1, 2]]], scores=[0.5]), side([BOX], [[[0, 0, 2], [1, 1, 2]]])
    with pytest.raises(OcellusError, match="2 keypoints an object, but 3 names"):
        errors.add(*pair)
    with pytest.raises(OcellusError, match="between the keypoints"):
        KeypointErrors(["mouse"], POINTS, by=(0, 2))
