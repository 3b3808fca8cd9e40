"""Similarity of keypoints by hand, and estimated sigmas by hand and against COCO's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.labels import COCO_PERSON, Skeleton
from ocellus.metrics import oks
from ocellus.values import Instances


def objects(points, *, areas=None) -> Instances:
    points = torch.tensor(points, dtype=torch.float32)
    boxes = torch.tensor([[0.0, 0, 10, 10]] * len(points))
    return Instances(
        size=(200, 200),
        boxes=boxes,
        labels=torch.zeros(len(points), dtype=torch.int64),
        keypoints=points,
        areas=None if areas is None else torch.tensor(areas, dtype=torch.float32),
    )


def test_similarity_by_hand():
    found = np.array([[[3.0, 4, 1], [0, 0, 1], [9, 9, 1]]])
    truth = np.array([[[0.0, 0, 2], [0, 0, 1], [0, 0, 0]]])  # the third is not annotated
    similar = oks.similarities(
        found, truth, np.zeros((1, 4)), np.array([100.0]), sigmas=np.array([0.25, 0.1, 0.1])
    )
    # d² = 25, s² = 100, k = 0.5: exp(-25 / (2 * 100 * 0.25)) = exp(-0.5); the second is exact.
    assert similar == pytest.approx((np.exp(-0.5) + 1) / 2)


def test_sigmas_by_hand():
    # Points at 0, 3 and 103 on a line, √area = 50: nearest 0.06, 0.06, 2.0.
    three = objects([[[0, 0, 2], [3, 0, 1], [103, 0, 2]]] * 3, areas=[2500] * 3)
    with pytest.warns(UserWarning, match="3 keypoints are estimated from 3 annotated objects"):
        found = oks.estimate_sigmas([Instances.empty((5, 5)), three])
    assert found == pytest.approx((0.26 * 0.06, 0.26 * 0.06, 0.107))


def test_sigmas_ignore_points_that_are_not_annotated():
    pair = objects(
        [[[0, 0, 2], [10, 0, 2], [1, 0, 0]], [[0, 0, 2], [10, 0, 2], [30, 0, 2]]], areas=[2500] * 2
    )
    with pytest.warns(UserWarning, match="estimated"):
        assert oks.estimate_sigmas([pair]) == pytest.approx((0.26 * 0.2, 0.26 * 0.2, 0.26 * 0.4))


def test_sigmas_of_a_skeleton():
    own = Skeleton(names=("a", "b"), sigmas=(0.1, 0.2))
    assert oks.sigmas_of(own, []) == (0.1, 0.2)
    assert oks.sigmas_of(Skeleton(names=COCO_PERSON.names), []) == COCO_PERSON.sigmas
    # 17 points that are not COCO's get none of COCO's sigmas.
    other = Skeleton(names=tuple(f"point {index}" for index in range(17)))
    spread = [[[10 * index, 0, 2] for index in range(17)]]
    with pytest.warns(UserWarning, match="17 keypoints are estimated"):
        found = oks.sigmas_of(other, [objects(spread, areas=[10000])])
    assert found == pytest.approx((0.026,) * 17)


def test_refuses_annotations_that_say_nothing():
    with pytest.raises(OcellusError, match="given are none"):
        oks.estimate_sigmas([])
    with pytest.raises(OcellusError, match=r"given are \[1, 2\]"):
        oks.estimate_sigmas([objects([[[0, 0, 2]]]), objects([[[0, 0, 2], [1, 1, 2]]])])
    with pytest.raises(OcellusError, match="keypoint 1 is nowhere annotated"):
        oks.estimate_sigmas([objects([[[0, 0, 2], [1, 1, 0], [2, 2, 2]]])])


def test_estimate_comes_near_cocos_own(shared):
    """On COCO's persons: each within a factor of 1.6 of the sigma that COCO measured."""
    annotations = json.loads((shared / "data/coco/annotations/person_keypoints.json").read_text())[
        "annotations"
    ]
    persons = [entry for entry in annotations if entry.get("num_keypoints", 0) and not entry["iscrowd"]]
    points = np.array([entry["keypoints"] for entry in persons]).reshape(-1, 17, 3).tolist()
    with pytest.warns(UserWarning, match="estimated"):
        found = oks.estimate_sigmas([objects(points, areas=[entry["area"] for entry in persons])])
    ratio = np.array(found) / np.array(COCO_PERSON.sigmas)
    assert 1 / 1.6 < ratio.min() < ratio.max() < 1.6
