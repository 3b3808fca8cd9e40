"""Keypoints by distance: PCK and NME, which need no sigmas and mean the same for every skeleton.

PCK, the percentage of correct keypoints: those within a fraction of a length of the object (Yang & Ramanan,
"Articulated Human Detection with Flexible Mixtures of Parts", TPAMI 2013; with the head's length it is PCKh,
Andriluka, CVPR 2014). NME, the normalised mean error: the mean distance in units of that length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ocellus.errors import OcellusError
from ocellus.metrics import matching
from ocellus.metrics.detections import floats, sides
from ocellus.metrics.oks import object_areas
from ocellus.metrics.overlap import Floats, Integers, box_overlaps
from ocellus.values import Instances

By = Literal["box", "area"] | tuple[int, int]


def object_lengths(truth: Instances, by: By) -> Floats:
    """(N,) the length in pixels that errors are divided by; nan where it is not known or 0.

    Args:
        truth: N objects.
        by: "box" for the longer side of the box, "area" for the square root of the area, or two keypoints,
            such as the eyes, for the distance between them.
    """
    if by == "box":
        boxes = floats(truth.boxes)
        lengths = np.asarray((boxes[:, 2:] - boxes[:, :2]).max(1, initial=0))
    elif by == "area":
        lengths = np.sqrt(object_areas(truth))
    elif truth.keypoints is None:
        lengths = np.zeros(len(truth))
    else:
        points = floats(truth.keypoints)[:, list(by)]  # (N, 2, 3)
        lengths = np.linalg.norm(points[:, 0, :2] - points[:, 1, :2], axis=1)
        lengths[(points[:, :, 2] == 0).any(1)] = np.nan
    return np.asarray(np.where(lengths > 0, lengths, np.nan))


def normalised_errors(found: Floats, truths: Floats, lengths: Floats) -> Floats:
    """(N, K) distances in units of each object's length; nan where the truth has no such point.

    Args:
        found: (N, K, 3) x, y and anything.
        truths: (N, K, 3) x, y, visibility (0 not annotated).
        lengths: (N,) pixels.
    """
    distance = np.linalg.norm(found[:, :, :2] - truths[:, :, :2], axis=2) / lengths[:, None]
    return np.asarray(np.where(truths[:, :, 2] > 0, distance, np.nan))


class KeypointErrors:
    """PCK and NME over pictures; keeps a few numbers a keypoint.

    Each truth is paired with one detection of its class, by the overlap of their boxes, the largest first.
    Points of a truth that was not found are wrong in PCK; NME is the mean over the found ones, and
    "keypoint/found" says what part of the objects that is. Crowds, objects without annotated points and
    objects of unknown length do not count.

    Args:
        names: the class names.
        points: the names of the K keypoints.
        fractions: PCK's thresholds, in units of the length.
        by: the length, see `object_lengths`.
        overlap: the least intersection over union of the boxes of a pair.
        score: the least score of a detection.
    """

    def __init__(
        self,
        names: Sequence[str],
        points: Sequence[str],
        *,
        fractions: Sequence[float] = (0.05, 0.1, 0.2),
        by: By = "box",
        overlap: float = 0.5,
        score: float = 0.0,
    ) -> None:
        if not isinstance(by, str) and not all(0 <= index < len(points) for index in by):
            raise OcellusError(
                f"a length between the keypoints {by}, but there are {len(points)}", exit_code=2
            )
        self.names, self.points = tuple(names), tuple(points)
        self.fractions = tuple(fractions)
        self.by: By = by
        self.overlap, self.score = overlap, score
        self._correct: Integers = np.zeros((len(self.fractions), len(self.points)), np.int64)
        self._annotated: Integers = np.zeros(len(self.points), np.int64)
        self._found: Integers = np.zeros(len(self.points), np.int64)
        self._error: Floats = np.zeros(len(self.points))
        self._objects: Integers = np.zeros(2, np.int64)  # all, found
        self._pictures = 0

    def add(self, prediction: Instances, truth: Instances) -> None:
        """Counts one picture.

        Raises:
            OcellusError: the two do not belong together, a label has no name, keypoints are missing or not K.
        """
        both = sides(prediction, truth, names=self.names, picture=self._pictures)
        found, truths = self._keypoints(prediction)[both.ranked.order], self._keypoints(truth)
        lengths = object_lengths(truth, self.by)
        counts = ~both.crowd & (truths[:, :, 2] > 0).any(1) & ~np.isnan(lengths)
        first, second = matching.same_class(both.ranked.labels, both.labels)
        boxes = floats(prediction.boxes)[both.ranked.order]
        overlaps = box_overlaps(boxes[first], both.boxes[second], both.crowd[second])
        usable = (overlaps >= self.overlap) & counts[second] & (both.ranked.scores[first] >= self.score)
        order = np.argsort(-overlaps, kind="stable")
        order = order[usable[order]]
        taken = order[matching.pair_off(first[order], second[order])]
        first, second = first[taken], second[taken]
        errors = normalised_errors(found[first], truths[second], lengths[second])
        self._annotated += (truths[counts, :, 2] > 0).sum(0)
        self._correct += np.array([(errors <= fraction).sum(0) for fraction in self.fractions], np.int64)
        self._found += (~np.isnan(errors)).sum(0)
        self._error += np.nansum(errors, 0)
        self._objects += (int(counts.sum()), len(taken))
        self._pictures += 1

    def _keypoints(self, instances: Instances) -> Floats:
        count = len(self.points)
        if not len(instances):
            return np.zeros((0, count, 3))
        if instances.keypoints is None or instances.keypoints.shape[1] != count:
            given = "no" if instances.keypoints is None else instances.keypoints.shape[1]
            raise OcellusError(
                f"picture {self._pictures}: {given} keypoints an object, but {count} names of keypoints"
            )
        return floats(instances.keypoints)

    def merge(self, other: KeypointErrors) -> None:
        """Adds the counts of other pictures.

        Raises:
            OcellusError: the settings differ.
        """
        settings = [(e.names, e.points, e.fractions, e.by, e.overlap, e.score) for e in (self, other)]
        if settings[0] != settings[1]:
            raise OcellusError("only keypoint errors of the same settings can be merged")
        for name in ("_correct", "_annotated", "_found", "_error", "_objects", "_pictures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def result(self) -> dict[str, float]:
        """ "keypoint/PCK@0.1/box", "keypoint/NME/box" and both by point ("…/<point>"); nan for 0 / 0."""
        by = self.by if isinstance(self.by, str) else "-".join(self.points[index] for index in self.by)
        numbers = {
            f"keypoint/PCK@{fraction:g}/{by}": (self._correct[index], self._annotated)
            for index, fraction in enumerate(self.fractions)
        }
        numbers[f"keypoint/NME/{by}"] = (self._error, self._found)
        found = {"keypoint/found": _ratio(float(self._objects[1]), float(self._objects[0]))}
        for name, (part, whole) in numbers.items():
            found[name] = _ratio(float(part.sum()), float(whole.sum()))
            for index, point in enumerate(self.points):
                found[f"{name}/{point}"] = _ratio(float(part[index]), float(whole[index]))
        return found


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
