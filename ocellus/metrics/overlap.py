"""How much two regions overlap: boxes, and masks as run lengths, for chosen pairs of a picture's objects.

Intersection over union, with COCO's rule for crowds: a crowd region holds many objects, so that what counts
is how much of the detection lies in it, intersection over its area ("Detection Evaluation", 1.5).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocellus.errors import OcellusError
from ocellus.values import Masks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


def box_areas(boxes: Floats) -> Floats:
    """(N,) areas of (N, 4) boxes x1, y1, x2, y2."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def box_overlaps(detections: Floats, truths: Floats, crowd: Flags) -> Floats:
    """(P,) overlaps of pairs of boxes: row p of (P, 4) with row p of (P, 4), crowds as flagged in (P,)."""
    width = np.minimum(detections[:, 2], truths[:, 2]) - np.maximum(detections[:, 0], truths[:, 0])
    height = np.minimum(detections[:, 3], truths[:, 3]) - np.maximum(detections[:, 1], truths[:, 1])
    shared = width * height
    own = box_areas(detections)
    union = np.where(crowd, own, own + box_areas(truths) - shared)
    touching = (width > 0) & (height > 0)
    return np.asarray(np.divide(shared, union, out=np.zeros(len(shared)), where=touching))


class Foreground(NamedTuple):
    """The foreground runs of N masks of one picture, end to end; mask i lies at i * H * W and on.

    Args:
        starts: (R,) where each run begins, column by column.
        ends: (R,) where it ends, exclusive.
        splits: (N+1,) the runs of mask i are splits[i] to splits[i+1].
        areas: (N,) pixels.
        bounds: (N, 4) left, top, right, bottom, the last two exclusive; zeros where a mask is empty.
        pixels: H * W.
    """

    starts: Integers
    ends: Integers
    splits: Integers
    areas: Integers
    bounds: Integers
    pixels: int


def foreground(masks: Masks) -> Foreground:
    """The runs, areas and bounds of all masks at once.

    Raises:
        OcellusError: the run lengths of a mask do not fill its picture.
    """
    pixels, count = masks.size[0] * masks.size[1], len(masks)
    counts = masks.counts.cpu().numpy().astype(np.int64)
    splits = masks.splits.cpu().numpy()
    ends = np.cumsum(counts)
    filled = ends[splits[1:] - 1] == np.arange(1, count + 1) * pixels
    if not filled.all():
        wrong = int(np.argmin(filled))
        raise OcellusError(
            f"mask {wrong} has run lengths that do not sum to the {masks.size[1]} x {masks.size[0]} pixels "
            "of its picture; `ocellus check` finds such annotations"
        )
    owner = np.repeat(np.arange(count), np.diff(splits))
    inside = np.flatnonzero(((np.arange(len(counts)) - splits[owner]) & 1).astype(bool) & (counts > 0))
    owner, lengths, ends = owner[inside], counts[inside], ends[inside]
    run_splits = np.searchsorted(owner, np.arange(count + 1))
    total = np.concatenate(([0], np.cumsum(lengths)))
    return Foreground(
        starts=ends - lengths,
        ends=ends,
        splits=run_splits,
        areas=total[run_splits[1:]] - total[run_splits[:-1]],
        bounds=_bounds(ends - lengths, ends - 1, run_splits, size=masks.size),
        pixels=pixels,
    )


def _bounds(first: Integers, last: Integers, splits: Integers, *, size: tuple[int, int]) -> Integers:
    """(N, 4) bounds from the first and last pixel of each run."""
    height, width = size
    found = np.zeros((len(splits) - 1, 4), np.int64)
    if not len(first):
        return found
    first_column, top = np.divmod(first, height)
    last_column, bottom = np.divmod(last, height)
    wraps = first_column != last_column  # a run over a column's end touches both borders
    top[wraps], bottom[wraps] = 0, height - 1
    some = np.flatnonzero(splits[1:] > splits[:-1])
    found[some, 0] = first_column[splits[some]] - some * width
    found[some, 1] = np.minimum.reduceat(top, splits[some])
    found[some, 2] = last_column[splits[some + 1] - 1] - some * width + 1
    found[some, 3] = np.maximum.reduceat(bottom, splits[some]) + 1
    return found


def mask_overlaps(
    detections: Foreground,
    truths: Foreground,
    *,
    pairs: tuple[Integers, Integers],
    crowd: Flags,
    least: float,
) -> Floats:
    """(P,) overlaps of pairs of masks; 0 for pairs that cannot reach `least`, whose runs are not compared.

    Args:
        detections: the runs of D masks.
        truths: the runs of G masks of the same picture.
        pairs: (P,) indices of detections and (P,) of truths.
        crowd: (P,) whether the pair's truth is a crowd.
        least: the smallest overlap of interest.
    """
    first, second = pairs
    own, other = detections.areas[first], truths.areas[second]
    a, b = detections.bounds[first], truths.bounds[second]
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    # No more pixels can be shared than either mask has, or than lie where their bounds meet.
    most = np.minimum(np.maximum(width, 0) * np.maximum(height, 0), np.minimum(own, other))
    near = np.flatnonzero((most > 0) & (most >= least * np.where(crowd, own, own + other - most)))
    overlaps = np.zeros(len(first))
    if len(near):
        first, second, own = first[near], second[near], own[near]
        shared = _shared_pixels(detections, truths, first, second)
        overlaps[near] = shared / np.where(crowd[near], own, own + other[near] - shared)
    return overlaps


def _shared_pixels(detections: Foreground, truths: Foreground, first: Integers, second: Integers) -> Integers:
    """(P,) pixels that both masks of a pair hold; none of the masks is empty.

    With F(x) the foreground pixels of all truths before x, a run from s to e shares F(e) - F(s) pixels.
    """
    lengths = detections.splits[first + 1] - detections.splits[first]
    offsets = np.cumsum(lengths) - lengths
    runs = np.arange(int(lengths.sum())) + np.repeat(detections.splits[first] - offsets, lengths)
    shift = np.repeat((second - first) * detections.pixels, lengths)
    before = np.concatenate(([0], np.cumsum(truths.ends - truths.starts)))

    def pixels_before(position: Integers) -> Integers:
        run = np.searchsorted(truths.starts, position, side="right") - 1  # the last run that starts by then
        reached = before[run] + np.minimum(position, truths.ends[run]) - truths.starts[run]
        return np.where(run < 0, 0, reached)

    shared = pixels_before(detections.ends[runs] + shift) - pixels_before(detections.starts[runs] + shift)
    return np.asarray(np.add.reduceat(shared, offsets))
