"""The Rand score by hand, against scikit-image, and what thinning and the restriction to cells do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.io import imread
from skimage.metrics import adapted_rand_error

from ocellus.errors import OcellusError
from ocellus.metrics.rand import MembraneScore, rand_score, segments, squares, thin
from ocellus.values import Segmentation


def tissue(random: np.random.Generator, *, size: tuple[int, int], cells: int = 20) -> np.ndarray:
    """Cells numbered from 1 that fill a picture."""
    seeds = random.uniform(0, 1, (cells, 2)) * size
    points = np.moveaxis(np.indices(size), 0, -1)[:, :, None]  # (H, W, 1, 2)
    return ((points - seeds) ** 2).sum(-1).argmin(-1).astype(np.int32) + 1


def membranes(cells: np.ndarray, *, width: int) -> np.ndarray:
    """(H, W) bool, within `width` pixels of another cell."""
    smallest, largest = (
        choose(cells, 2 * width + 1, mode="nearest")
        for choose in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    return smallest != largest


def test_by_hand():
    """Cells of 4 and 2 pixels, a membrane between; the proposal cuts the first and joins the rest."""
    truth = np.array([[1, 1, 1, 1, 0, 2, 2]], np.int32)
    proposal = np.array([[1, 0, 2, 2, 2, 2, 2]], np.int32)
    found = squares(proposal, truth)
    # Parts of cell 1: 1, a pixel of its own, 2; of cell 2: 2.
    assert found == (1 + 1 + 4 + 4, 1 + 1 + 16, 16 + 4, 6)
    assert rand_score(proposal, truth) == pytest.approx(10 / (18 / 2 + 20 / 2))
    assert rand_score(truth, truth) == 1
    assert np.isnan(rand_score(proposal, np.zeros_like(truth)))


@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_image_on_the_whole(seed: int):
    """Scikit-image counts pairs of two pixels, the challenge each pixel with itself too: n more in every sum.

    It takes the proposal's 0 for a segment; there is none here. Both leave out pixels of 0 in the truth.
    """
    random = np.random.default_rng(seed)
    truth, proposal = (tissue(random, size=(50, 70), cells=count) for count in (20, 25))
    truth[random.random(truth.shape) < 0.2] = 0
    found = squares(proposal, truth)
    both, own, real = (value - found.pixels for value in found[:3])
    error, precision, recall = adapted_rand_error(truth, proposal)
    assert 1 - both / (own / 2 + real / 2) == pytest.approx(error, rel=1e-12)
    # Its precision is over the truth's pairs, its recall over the proposal's.
    assert (both / real, both / own) == (pytest.approx(precision), pytest.approx(recall))


def test_membrane_left_in_a_cell_is_many_segments():
    truth = np.ones((1, 10), np.int32)
    assert rand_score(np.zeros((1, 10), np.int32), truth) == pytest.approx(10 / ((10 + 100) / 2))


def test_thinning_leaves_lines_of_one_pixel_and_every_segment():
    random = np.random.default_rng(0)
    cells = tissue(random, size=(120, 150))
    for width in (2, 4):
        broad = segments(~membranes(cells, width=width))
        fine = thin(broad)
        assert (fine[broad > 0] == broad[broad > 0]).sum() >= 0.99 * (broad > 0).sum()
        line = fine == 0
        assert 0 < line.mean() < 0.1
        square = line[1:, 1:] & line[:-1, 1:] & line[1:, :-1] & line[:-1, :-1]
        assert square.sum() < 0.02 * line.sum()  # thicker only where three cells meet
        assert segments(~line).max() == broad.max()
        for one, other in ((fine[1:], fine[:-1]), (fine[:, 1:], fine[:, :-1])):
            assert not ((one != other) & (one > 0) & (other > 0)).any()


@pytest.mark.parametrize("seed", range(4))
def test_thinned_segments_never_touch(seed: int):
    """Lines of one pixel, where either side may take a pixel, and specks."""
    random = np.random.default_rng(seed)
    cells = tissue(random, size=(80, 90))
    inside = np.ones(cells.shape, bool)
    inside[:-1] &= cells[:-1] == cells[1:]
    inside[:, :-1] &= cells[:, :-1] == cells[:, 1:]
    inside &= random.random(cells.shape) > 0.02
    inside = np.rot90(inside, seed)
    broad = segments(inside)
    fine = thin(broad)
    assert (segments(fine > 0).max(), (fine > 0).sum() > inside.sum()) == (broad.max(), True)
    for one, other in ((fine[1:], fine[:-1]), (fine[:, 1:], fine[:, :-1])):
        assert not ((one != other) & (one > 0) & (other > 0)).any()


def test_thinning_closes_specks_and_leaves_extremes():
    inside = np.ones((9, 9), bool)
    inside[4, 4] = inside[6, 2:4] = False
    assert thin(segments(inside)).min() == 1
    nothing = np.zeros((4, 4), np.int32)
    assert (thin(nothing) == 0).all()
    # A membrane that ends at the picture's edge keeps the two sides apart there too.
    inside = np.ones((12, 12), bool)
    inside[:, 4:8] = False
    fine = thin(segments(inside))
    assert ((fine == 0).sum(1) == 1).all()


def test_broad_membranes_cost_nothing_once_thinned():
    random = np.random.default_rng(1)
    cells = tissue(random, size=(150, 150))
    truth = (~membranes(cells, width=1)).astype(np.uint8)
    broad = (~membranes(cells, width=4)).astype(np.float32)
    figures = {}
    for thinned in (True, False):
        score = MembraneScore(thinned=thinned)
        score.add_maps(broad, truth)
        figures[thinned] = score.result()["Rand"]
    assert figures[True] > 0.97
    assert figures[False] < 0.85


def test_best_threshold_and_pixel_error():
    """Two cells; the membrane is only seen at 0.7 (its chance of being inside is 0.6)."""
    chance = np.full((10, 21), 0.9, np.float32)
    chance[:, 10] = 0.6
    truth = np.ones((10, 21), np.uint8)
    truth[:, 10] = 0
    score = MembraneScore(thresholds=(0.3, 0.7))
    score.add_maps(chance, truth)
    found = score.result()
    assert found["Rand"] == 1
    assert found["Rand/threshold"] == 0.7
    assert found["Rand/at 0.5"] == pytest.approx(2 * 100**2 / ((200**2 + 2 * 100**2) / 2))
    assert found["Rand/split"] == found["Rand/merge"] == 1
    assert found["pixel_error"] == 10 / 210
    assert found["pixel_error/best F"] == 0
    empty = MembraneScore(thresholds=(0.3, 0.7))
    empty.merge(score)
    assert empty.result() == found


def test_segmentation_values_unknown_pixels_and_mean_over_pictures():
    names = ("membrane", "cell")
    labels = torch.ones(6, 9, dtype=torch.uint8)
    labels[:, 4] = 0
    sure = torch.full((6, 9), 0.8, dtype=torch.float16)
    truth = labels.clone()
    truth[0] = 255
    score = MembraneScore("cell")
    prediction = Segmentation(labels=labels, confidence=sure, names=names)
    score.add(prediction, Segmentation(labels=truth, names=names))
    assert score.result()["Rand"] == 1
    assert score.result()["pixel_error"] == 0
    wrong = Segmentation(labels=1 - labels, confidence=sure, names=names)
    score.add(wrong, Segmentation(labels=truth, names=names))
    assert score.result()["pixel_error"] == pytest.approx(0.5)
    assert 0.5 < score.result()["Rand"] < 1
    assert len(score) == 2
    with pytest.raises(OcellusError, match="no class 'cell'; it has a, b"):
        score.add(prediction, Segmentation(labels=truth, names=("a", "b")))


def test_nothing_to_measure_is_nan_with_a_reason():
    score = MembraneScore()
    score.add_maps(np.ones((5, 5)), np.zeros((5, 5), np.uint8))
    found = score.result()
    assert np.isnan(found["Rand"])
    assert found["pixel_error"] == 1
    assert score.reasons()["Rand"] == "the truth of 1 pictures has no pixel inside a cell"
    assert "pixel_error" not in score.reasons()


def test_bad_input():
    score = MembraneScore()
    with pytest.raises(OcellusError, match=r"\(5, 4\) for a truth of \(5, 5\)"):
        score.add_maps(np.ones((5, 4)), np.zeros((5, 5), np.uint8))
    with pytest.raises(OcellusError, match="the truth holds 7"):
        score.add_maps(np.ones((5, 5)), np.full((5, 5), 7, np.uint8))
    with pytest.raises(OcellusError, match="from 0 to below 1"):
        MembraneScore(thresholds=(1.5,))
    with pytest.raises(OcellusError, match="same class"):
        score.merge(MembraneScore(thinned=False))


def test_real_membranes(shared: Path):
    """The annotation against itself is 1, thinned or not; with a hole in every membrane it is not."""
    path = sorted((shared / "data/membrane/masks/val").glob("*.png"))[0]
    truth = imread(path).astype(np.uint8)
    score = MembraneScore(thresholds=())
    score.add_maps(truth.astype(np.float32), truth)
    assert score.result()["Rand"] > 0.999
    assert score.result()["pixel_error"] == 0
    leaky = MembraneScore(thresholds=())
    leaky.add_maps((truth | (np.indices(truth.shape).sum(0) % 25 < 2)).astype(np.float32), truth)
    assert leaky.result()["Rand"] < 0.5
    assert leaky.result()["pixel_error"] < 0.05
