"""Boundary IoU against erosion class by class, against distances pixel by pixel, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ocellus.errors import OcellusError
from ocellus.metrics.boundaries import BoundaryOverlap, distance, near_border
from ocellus.metrics.segmentation import PixelConfusion


def blobs(random: np.random.Generator, *, classes: int, size: tuple[int, int]) -> np.ndarray:
    fields = ndimage.gaussian_filter(random.standard_normal((classes, *size)), (0, 4, 4))
    return fields.argmax(0).astype(np.uint8)


def eroded(mask: np.ndarray, width: int) -> np.ndarray:
    """The mask less what erosions by 3 x 3 leave, outside the picture being no mask."""
    inner = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    return mask & ~inner


@pytest.mark.parametrize("size", [(40, 60), (61, 33), (200, 300), (3, 5), (1, 1)])
def test_equals_erosion_class_by_class(size: tuple[int, int]):
    random = np.random.default_rng(0)
    overlap, shared, union = BoundaryOverlap(4), np.zeros(4), np.zeros(4)
    for _ in range(3):
        truth = blobs(random, classes=4, size=size)
        prediction = np.where(random.random(size) < 0.02, random.integers(0, 4, size), np.roll(truth, 1, 1))
        overlap.add_maps(prediction, truth)
        width = distance(size)
        for label in range(4):
            sides = [eroded(side == label, width) for side in (truth, prediction)]
            shared[label] += (sides[0] & sides[1]).sum()
            union[label] += (sides[0] | sides[1]).sum()
    with np.errstate(invalid="ignore"):
        wanted = shared / union
    known = ~np.isnan(overlap.overlaps())
    np.testing.assert_allclose(overlap.overlaps()[known], wanted[known], rtol=1e-12)
    assert known.any()
    assert size[0] < 10 or known.all()


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_near_border_pixel_by_pixel_with_unknown_ones(width: int):
    """An unknown pixel makes no border; one behind it does."""
    random = np.random.default_rng(width)
    labels = blobs(random, classes=3, size=(24, 31))
    labels[random.random(labels.shape) < 0.3] = 255
    found = near_border(labels, width=width)
    for row, column in np.ndindex(labels.shape):
        rows, columns = slice(row - width, row + width + 1), slice(column - width, column + width + 1)
        edge = rows.start < 0 or columns.start < 0 or rows.stop > 24 or columns.stop > 31
        around = set() if edge else set(labels[rows, columns].ravel().tolist()) - {255}
        assert found[row, column] == (labels[row, column] != 255 and (edge or len(around) > 1))


def test_width_is_two_percent_of_the_diagonal():
    assert distance((360, 480)) == 12
    assert distance((10, 10)) == 1
    assert distance((300, 400), ratio=0.01) == 5


def test_square_by_hand():
    """A square of 10 in 100 x 100 (border of 3), found one pixel to the right: 16 of 40 of the rim missed."""
    truth = np.zeros((100, 100), np.uint8)
    truth[40:50, 40:50] = 1
    prediction = np.roll(truth, 1, 1)
    overlap = BoundaryOverlap(2)
    overlap.add_maps(prediction, truth)
    # The rim has 100 - 4 * 4 = 84 pixels. Both rims: columns 41..49, of 90 pixels less those in either inner
    # square, columns 43..46 or 44..47 of rows 43..46: 5 * 4 = 20.
    assert overlap.overlaps()[1] == pytest.approx((90 - 20) / (2 * 84 - 70))


def test_right_answer_is_one_whatever_is_said_of_unknown_pixels():
    random = np.random.default_rng(1)
    labels = blobs(random, classes=3, size=(80, 90))
    truth = labels.copy()
    truth[20:30, 15:60] = 255
    prediction = np.where(truth == 255, 2, labels)
    overlap = BoundaryOverlap(3)
    overlap.add_maps(prediction, truth)
    assert overlap.overlaps().tolist() == [1, 1, 1]


def test_large_objects_feel_it_where_iou_does_not():
    truth = np.zeros((400, 400), np.uint8)
    truth[50:350, 50:350] = 1
    prediction = np.zeros_like(truth)
    prediction[54:346, 54:346] = 1
    confusion = PixelConfusion(("background", "thing"), boundary=True)
    confusion.add_maps(prediction, truth)
    found = confusion.result()
    assert found["IoU/thing"] > 0.94
    assert found["boundary_IoU/thing"] < 0.5
    assert found["boundary_IoU"] == pytest.approx(
        (found["boundary_IoU/thing"] + found["boundary_IoU/background"]) / 2
    )


def test_absent_class_is_nan_and_sizes_are_checked():
    overlap = BoundaryOverlap(3)
    overlap.add_maps(np.full((9, 9), 2, np.uint8), np.zeros((9, 9), np.uint8))
    assert overlap.overlaps()[0] == 0
    assert np.isnan(overlap.overlaps()[1:]).all()
    with pytest.raises(OcellusError, match="8 x 9 pixels"):
        overlap.add_maps(np.zeros((9, 8), np.uint8), np.zeros((9, 9), np.uint8))
