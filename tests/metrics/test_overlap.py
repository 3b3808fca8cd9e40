"""Overlaps of boxes and masks against dense counting and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from ocellus.metrics import overlap
from ocellus.values import Masks


def dense_masks(seed: int, *, height: int = 13, width: int = 17) -> np.ndarray:
    """Noise, blobs, whole columns, the whole picture and nothing."""
    random = np.random.default_rng(seed)
    found = random.random((12, height, width)) < random.uniform(0.05, 0.9, (12, 1, 1))
    for index in range(6):
        top, left = random.integers(0, height - 3), random.integers(0, width - 3)
        found[index] = False
        found[index, top : top + random.integers(1, height), left : left + random.integers(1, width)] = True
    found[6], found[7], found[8] = True, False, False
    found[8, :, 3:6] = True
    return found


@pytest.mark.parametrize("seed", range(5))
def test_masks_equal_dense_counting(seed):
    first, second = dense_masks(seed), dense_masks(seed + 100)
    crowd = np.arange(12) % 3 == 0
    i, j = np.indices((12, 12)).reshape(2, -1)
    found = overlap.mask_overlaps(
        overlap.foreground(Masks.from_dense(first)),
        overlap.foreground(Masks.from_dense(second)),
        pairs=(i, j),
        crowd=crowd[j],
        least=0.2,
    )
    shared = (first[i] & second[j]).sum((1, 2))
    union = np.where(crowd[j], first[i].sum((1, 2)), (first[i] | second[j]).sum((1, 2)))
    wanted = shared / np.maximum(union, 1)
    assert ((found == wanted) | ((wanted < 0.2) & (found == 0))).all()
    assert (found >= 0.2).sum() > 20
    assert (found == wanted).sum() < len(wanted)  # some were not worth comparing


@pytest.mark.parametrize("seed", range(3))
def test_foreground_has_the_masks_bounds_and_areas(seed):
    masks = Masks.from_dense(dense_masks(seed))
    found = overlap.foreground(masks)
    np.testing.assert_array_equal(found.bounds, masks.bounds())
    np.testing.assert_array_equal(found.areas, masks.areas())


def test_runs_of_no_length_are_nothing():
    # 3 x 4 pixels, of which the second of the third column; a run of no length lies in the first column.
    masks = Masks.from_runs([np.array([1, 0, 6, 1, 4], np.int32)], (3, 4))
    found = overlap.foreground(masks)
    np.testing.assert_array_equal(found.bounds, [[2, 1, 3, 2]])
    assert found.areas.tolist() == [1]


def test_no_masks():
    none = overlap.foreground(Masks.empty((5, 5)))
    assert none.bounds.shape == (0, 4)
    nothing = np.zeros(0, np.int64)
    shared = overlap.mask_overlaps(none, none, pairs=(nothing, nothing), crowd=np.zeros(0, bool), least=0.5)
    assert shared.shape == (0,)


def test_boxes_equal_torchvision():
    random = np.random.default_rng(0)
    corner = random.uniform(0, 50, (2, 40, 2))
    boxes = np.concatenate((corner, corner + random.uniform(1, 40, (2, 40, 2))), 2)
    i, j = np.indices((40, 40)).reshape(2, -1)
    found = overlap.box_overlaps(boxes[0][i], boxes[1][j], np.zeros(1600, bool))
    wanted = box_iou(torch.from_numpy(boxes[0]), torch.from_numpy(boxes[1])).flatten().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert (wanted == 0).any()


def test_box_in_a_crowd_overlaps_by_its_own_area():
    box, crowd = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 100, 100]])
    assert overlap.box_overlaps(box, crowd, np.array([True])) == pytest.approx(0.5)
