"""Masks against pycocotools and faster-coco-eval on fuzzed shapes: run lengths, text, outlines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as fast
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from scipy import ndimage

from ocellus.data.instances import coco_polygons
from ocellus.values import Masks, rings, runs


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    kind = draw(st.sampled_from(("noise", "blobs", "empty", "full", "stripes")))
    if kind == "noise":
        return rng.random((height, width)) < draw(st.floats(0, 1))
    if kind == "blobs":
        return ndimage.gaussian_filter(rng.random((height, width)), 2.0) > 0.5
    if kind == "stripes":
        return np.broadcast_to(rng.random(width) < 0.5, (height, width)).copy()
    return np.full((height, width), kind == "full")


@given(masks())
@settings(max_examples=150, deadline=None)
def test_runs_are_cocos(mask: np.ndarray) -> None:
    counts = runs.encode(mask, size=mask.shape)
    text = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert runs.to_bytes(counts) == text == fast.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert (runs.from_bytes(text) == counts).all()
    assert (runs.decode(counts, mask.shape) == mask).all()
    left, top, width, height = oracle.toBbox({"size": list(mask.shape), "counts": text}).tolist()
    if mask.any():
        assert runs.bounds(counts, mask.shape[0]) == (left, top, left + width, top + height)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_text_holds_any_count(counts: list[int]) -> None:
    array = np.array(counts, np.int32)
    assert runs.from_bytes(runs.to_bytes(array)).tolist() == counts


def test_texts_that_are_broken_are_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        runs.from_bytes(b"PP")
    with pytest.raises(ValueError, match="does not use"):
        runs.from_bytes(b"1 2")
    with pytest.raises(ValueError, match="longer than any picture"):
        runs.from_bytes(b"P" * 20 + b"0")
    assert len(runs.from_bytes(b"")) == 0


@given(masks(), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_windows_agree_with_the_whole(mask: np.ndarray, top: int, left: int, bottom: int, right: int) -> None:
    whole = np.pad(mask, ((top, bottom), (left, right)))
    counts = runs.encode(mask, size=whole.shape, top=top, left=left)
    assert (counts == runs.encode(whole, size=whole.shape)).all()
    inside = runs.decode_window(counts, whole.shape, (left, top, left + mask.shape[1], top + mask.shape[0]))
    assert (inside == mask).all()


@given(masks())
@settings(max_examples=150, deadline=None)
def test_outlines_give_the_mask_back(mask: np.ndarray) -> None:
    one = Masks.from_dense(mask[None])
    outline = one.outlines(0)
    again = Masks.from_polygons([outline], mask.shape)
    assert torch.equal(again.counts, one.counts)
    assert sum(rings.area(ring) for ring in outline) == mask.sum()
    for ring in outline:  # along pixel borders, corners only
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps != 0).sum(axis=1) == 1).all()
        assert ((steps != 0) != (np.roll(steps, -1, axis=0) != 0)).all()


def test_an_outline_with_a_hole_by_hand() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    outer, hole = rings.trace(mask, top=10, left=20)
    assert outer.tolist() == [[23, 10], [23, 13], [20, 13], [20, 10]]
    assert sorted(hole.tolist()) == [[21, 11], [21, 12], [22, 11], [22, 12]]
    assert rings.area(outer) == 9
    assert rings.area(hole) == -1


def test_parts_that_touch_at_a_corner_stay_apart() -> None:
    assert [len(ring) for ring in rings.trace(np.eye(2, dtype=bool))] == [4, 4]


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_filling_is_even_odd_at_pixel_centres(seed: int) -> None:
    """Against the definition: a ray from each centre crosses an odd number of edges."""
    rng = np.random.default_rng(seed)
    drawn = [rng.uniform(-5, 25, (rng.integers(3, 8), 2)) for _ in range(rng.integers(1, 4))]
    inside = np.zeros((20, 18), bool)
    for row in range(20):
        for column in range(18):
            x, y, crossings = column + 0.5, row + 0.5, 0
            for ring in drawn:
                for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                    if (ay > y) != (by > y) and x >= ax + (y - ay) * (bx - ax) / (by - ay):
                        crossings += 1
            inside[row, column] = crossings % 2 == 1
    window, top, left = rings.fill(drawn, (20, 18))
    found = np.zeros((20, 18), bool)
    found[top : top + window.shape[0], left : left + window.shape[1]] = window
    assert (found == inside).all()


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_seam_there_and_back_leaves_no_trace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = rng.uniform(0, 30, (3, 2))
    far = rng.uniform(0, 30, (1, 2))
    there_and_back = np.concatenate((ring[:1], far, ring))
    plain = Masks.from_polygons([[ring]], (30, 30))
    assert torch.equal(Masks.from_polygons([[there_and_back]], (30, 30)).counts, plain.counts)


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_polygons_are_rasterised_as_pycocotools_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 60, 2))
    drawn = [
        rng.uniform(-5, 65, (rng.integers(3, 12), 2)).round(int(rng.integers(0, 4)))
        for _ in range(rng.integers(1, 4))
    ]
    packed = oracle.merge(oracle.frPyObjects([ring.ravel().tolist() for ring in drawn], height, width))
    assert (
        runs.decode(coco_polygons(drawn, (height, width)), (height, width)) == oracle.decode(packed)
    ).all()


def test_a_big_outline_is_quick_and_the_same() -> None:
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.random((600, 800)), 4) > 0.5
    one = Masks.from_dense(mask[None])
    assert torch.equal(Masks.from_polygons([one.outlines(0)], mask.shape).counts, one.counts)
