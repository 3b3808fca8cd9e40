"""What the detections of one picture are worth, kind by kind: the rows that an evaluation keeps of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics import matching, oks, overlap
from ocellus.metrics.matching import AreaRange, Ranked
from ocellus.metrics.overlap import Flags, Floats, Integers
from ocellus.metrics.tally import ROW, Rows
from ocellus.values import Instances

Kind = Literal["boxes", "masks", "keypoints"]
PREFIX: dict[Kind, str] = {"boxes": "box", "masks": "mask", "keypoints": "keypoint"}


def ranges_of(kind: Kind) -> tuple[AreaRange, ...]:
    """The ranges of areas that a kind is measured in, all first."""
    return matching.KEYPOINT_AREA_RANGES if kind == "keypoints" else matching.AREA_RANGES


class Sides(NamedTuple):
    """One picture: the detections, ranked, and arrays of its G truths that every kind needs."""

    prediction: Instances
    truth: Instances
    ranked: Ranked
    labels: Integers
    boxes: Floats
    areas: Floats
    crowd: Flags


def sides(prediction: Instances, truth: Instances, *, names: tuple[str, ...], picture: int) -> Sides:
    """Ranks the detections of a picture and takes out the truth's arrays.

    Raises:
        OcellusError: the two do not belong together or cannot be measured; the message says why.
    """
    if prediction.size != truth.size:
        given, wanted = (f"{size[1]} x {size[0]}" for size in (prediction.size, truth.size))
        raise OcellusError(
            f"picture {picture}: the prediction is for {given} pixels, the truth for {wanted}; "
            "map predictions back to the annotated size"
        )
    for side, instances in (("prediction", prediction), ("truth", truth)):
        labels = numbers(instances.labels)
        wrong = labels[(labels < 0) | (labels >= len(names))]
        if len(wrong):
            raise OcellusError(
                f"picture {picture}: the {side} has label {wrong[0]}, but the {len(names)} names have labels "
                f"0 to {len(names) - 1}; use the class names of the data set"
            )
    if prediction.scores is None and len(prediction):
        raise OcellusError(
            f"picture {picture}: the prediction has no scores, which average precision sorts by"
        )
    scores = np.zeros(0) if prediction.scores is None else floats(prediction.scores)
    if not (np.isfinite(scores).all() and np.isfinite(floats(prediction.boxes)).all()):
        raise OcellusError(f"picture {picture}: the prediction has scores or boxes that are not finite")
    return Sides(
        prediction=prediction,
        truth=truth,
        ranked=matching.rank(numbers(prediction.labels), scores),
        labels=numbers(truth.labels),
        boxes=floats(truth.boxes),
        areas=oks.object_areas(truth),
        crowd=np.zeros(len(truth), bool) if truth.crowd is None else truth.crowd.cpu().numpy().astype(bool),
    )


def measure(kind: Kind, both: Sides, *, limit: int, sigmas: Floats) -> tuple[Rows, Integers]:
    """Matches the detections of a picture by one kind of overlap.

    Args:
        kind: by which.
        both: the picture.
        limit: how many detections of a class count.
        sigmas: (K,) for keypoints.

    Returns:
        (D,) rows, their picture not filled in, and (G, A) 1 where a truth counts in a range of areas, else 0.
    """
    both = both._replace(ranked=both.ranked.best(limit))
    ranges, ranked = ranges_of(kind), both.ranked
    pairs = matching.same_class(ranked.labels, both.labels)
    aside = both.crowd
    if kind == "boxes":
        overlaps, areas = _boxes(both, pairs)
    elif kind == "masks":
        overlaps, areas = _masks(both, pairs)
    else:
        overlaps, areas, blank = _keypoints(both, pairs, sigmas=sigmas)
        aside = np.logical_or(aside, blank)
    cases = matching.every_case(ranges)
    ignored = np.where(aside, cases, matching.outside(both.areas, ranges))
    matches = matching.match(
        pairs,
        overlaps,
        ignored=ignored,
        crowd=both.crowd,
        outside=matching.outside(areas, ranges),
        cases=cases,
    )
    rows = np.zeros(len(ranked.labels), ROW)
    rows["score"], rows["label"], rows["rank"] = ranked.scores, ranked.labels, ranked.ranks
    rows["found"], rows["ignored"] = matches
    firsts = np.arange(len(ranges)) * matching.COUNT
    return rows, 1 - ((ignored[:, None] >> firsts) & 1)


def _boxes(both: Sides, pairs: tuple[Integers, Integers]) -> tuple[Floats, Floats]:
    """(P,) overlaps of boxes and (D,) areas of the detections' boxes."""
    first, second = pairs
    boxes = floats(both.prediction.boxes)[both.ranked.order]
    overlaps = overlap.box_overlaps(boxes[first], both.boxes[second], both.crowd[second])
    return overlaps, overlap.box_areas(boxes)


def _masks(both: Sides, pairs: tuple[Integers, Integers]) -> tuple[Floats, Floats]:
    """(P,) overlaps of masks, 0 where below every threshold, and (D,) areas of the detections' masks."""
    if both.prediction.masks is None:
        return np.zeros(0), np.zeros(0)
    found = overlap.foreground(both.prediction.masks)
    areas = found.areas[both.ranked.order].astype(np.float64)
    if both.truth.masks is None:
        return np.zeros(0), areas
    first, second = pairs
    overlaps = overlap.mask_overlaps(
        found,
        overlap.foreground(both.truth.masks),
        pairs=(both.ranked.order[first], second),
        crowd=both.crowd[second],
        least=float(matching.THRESHOLDS[0]),
    )
    return overlaps, areas


def _keypoints(
    both: Sides, pairs: tuple[Integers, Integers], *, sigmas: Floats
) -> tuple[Floats, Floats, Flags]:
    """(P,) similarities, (D,) areas around the detections' points, (G,) truths without an annotated point."""
    found = _points(both.prediction, len(sigmas))[both.ranked.order]
    truths = _points(both.truth, len(sigmas))
    first, second = pairs
    similar = oks.similarities(
        found[first], truths[second], both.boxes[second], both.areas[second], sigmas=sigmas
    )
    return similar, oks.keypoint_areas(found), np.asarray(~(truths[:, :, 2] > 0).any(1))


def _points(instances: Instances, count: int) -> Floats:
    """(N, K, 3) keypoints, of an empty side too."""
    if instances.keypoints is None:
        return np.zeros((0, count, 3))
    points = floats(instances.keypoints)
    if len(points) and points.shape[1] != count:
        raise OcellusError(
            f"there are {points.shape[1]} keypoints an object and {count} sigmas; keypoint AP needs one "
            "sigma each, see ocellus.metrics.oks.sigmas_of"
        )
    return points.reshape(len(points), count, 3)


def floats(values: Tensor) -> Floats:
    """(...) values of any shape as float64 on the CPU."""
    return np.asarray(values.detach().to("cpu", torch.float64).numpy())


def numbers(values: Tensor) -> Integers:
    """(...) values of any shape as int64 on the CPU."""
    return values.detach().cpu().numpy().astype(np.int64, copy=False)
