"""Counting by centres: enough where each object was marked with one point and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.detections import floats, numbers
from ocellus.metrics.matching import pair_off
from ocellus.metrics.overlap import Floats
from ocellus.values import Instances


class Count(NamedTuple):
    """Centres that a detection was found for, and detections left without a centre."""

    found: int
    false: int


def centres_found(
    instances: Instances,
    centres: Tensor | Sequence[Sequence[float]],
    *,
    score: float,
    inside: Literal["boxes", "masks"] = "boxes",
) -> Count:
    """Counts the centres that lie in a detection, one to one.

    Detections take centres in the order of their scores. Each takes the centre nearest to the middle of its
    box, among those that it holds and that are not taken; one that finds none is false. So a second detection
    of an object is false, and a detection around several objects finds one of them.

    Args:
        instances: detections with scores.
        centres: (M, 2) x, y in pixels.
        score: the least score of a detection.
        inside: whether a centre must lie in the box, border included, or in the mask.

    Raises:
        OcellusError: scores or masks are missing, or the centres are not pairs.
    """
    points: Floats = np.asarray(centres, np.float64)
    if points.size and (points.ndim != 2 or points.shape[1] != 2):
        raise OcellusError(f"centres are (M, 2) x, y in pixels, not {points.shape}", exit_code=2)
    points = points.reshape(-1, 2)
    if instances.scores is None:
        if len(instances):
            raise OcellusError("the detections have no scores, by which they are chosen and sorted")
        return Count(0, 0)
    scores = floats(instances.scores)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= score]
    boxes = floats(instances.boxes)[order]
    held = ((boxes[:, None, :2] <= points) & (points <= boxes[:, None, 2:])).all(2)  # (D, M)
    if inside == "masks":
        held = held & _in_masks(instances, points)[order]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm(middle[:, None] - points, axis=2)
    first, second = np.nonzero(held)
    by_score = np.lexsort((distance[first, second], first))
    found = len(pair_off(first[by_score], second[by_score]))
    return Count(found, len(order) - found)


def _in_masks(instances: Instances, points: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(N, M) whether the pixel under a point belongs to a mask."""
    if instances.masks is None:
        raise OcellusError("the detections have no masks; count inside='boxes'")
    height, width = instances.size
    pixels = np.floor(points).astype(np.int64)
    held = np.zeros((len(instances), len(points)), bool)
    seen = np.flatnonzero(((pixels >= 0) & (pixels < (width, height))).all(1))
    place = pixels[seen, 0] * height + pixels[seen, 1]  # column by column, as run lengths go
    splits = numbers(instances.masks.splits)
    counts = numbers(instances.masks.counts)
    for index in range(len(instances)):
        ends = np.cumsum(counts[splits[index] : splits[index + 1]])
        held[index, seen] = np.searchsorted(ends, place, side="right") % 2 == 1
    return held
