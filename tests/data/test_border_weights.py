"""The weight map against its definition, written down slowly."""

from __future__ import annotations

import numpy as np
import pytest

from ocellus.data.border_weights import border_weights, separated, two_distances


def blobs(*, seed: int, side: int = 40, count: int = 12) -> np.ndarray:
    """Rectangles of two classes on background; some touch, some lie apart."""
    dice = np.random.default_rng(seed)
    label_map = np.zeros((side, side + 7), np.uint8)
    for _ in range(count):
        top, left = (int(value) for value in dice.integers(0, side - 8, 2))
        height, width = (int(value) for value in dice.integers(2, 9, 2))
        label_map[top : top + height, left : left + width] = dice.integers(1, 3)
    return label_map


def slow(label_map: np.ndarray, *, weight: float, sigma: float) -> np.ndarray:
    """Every object's distance from every pixel, sorted; objects found by flooding."""
    objects: list[np.ndarray] = []
    left = {(int(y), int(x)) for y, x in np.argwhere((label_map > 0) & (label_map < 255))}
    while left:
        reached = [left.pop()]
        for y, x in reached:
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left and label_map[near] == label_map[y, x]:
                    left.remove(near)
                    reached.append(near)
        objects.append(np.array(reached))
    out = np.ones(label_map.shape)
    for y, x in np.argwhere(label_map == 0):
        away = sorted(np.hypot(*(points - (y, x)).T).min() for points in objects)
        if len(away) > 1:
            out[y, x] += weight * np.exp(-((away[0] + away[1]) ** 2) / (2 * sigma**2))
    out[label_map == 255] = 0
    return out


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition(seed: int) -> None:
    label_map = blobs(seed=seed)
    label_map[:3, :5] = 255
    found = border_weights(label_map, weight=10, sigma=5, balance=False)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow(label_map, weight=10, sigma=5), rtol=1e-5)


def test_by_hand() -> None:
    """Two cells with a gap of one pixel: d1 = d2 = 1, so 1 + 10 exp(-4 / 50)."""
    label_map = np.array([[1, 1, 0, 1, 1]], np.uint8)
    found = border_weights(label_map, balance=False)
    np.testing.assert_allclose(found, [[1, 1, 1 + 10 * np.exp(-0.08), 1, 1]], rtol=1e-6)


def test_balance() -> None:
    label_map = np.array([[0, 0, 0, 1, 255]], np.uint8)
    found = border_weights(label_map, weight=0)
    np.testing.assert_allclose(found, [[2 / 3, 2 / 3, 2 / 3, 2, 0]])
    np.testing.assert_allclose(found[label_map != 255].mean(), 1)


def test_nothing_to_separate() -> None:
    for value in (0, 1, 255):
        label_map = np.full((4, 4), value, np.uint8)
        assert (border_weights(label_map) == (0 if value == 255 else 1)).all()


def test_touching_objects_of_two_classes_are_two() -> None:
    objects = separated(np.array([[1, 2, 0, 2]], np.uint8))
    assert objects.tolist() == [[1, 2, 0, 3]]
    nearest, second = two_distances(objects)
    assert nearest.tolist() == [[0, 0, 1, 0]] and second.tolist() == [[1, 1, 1, 2]]
