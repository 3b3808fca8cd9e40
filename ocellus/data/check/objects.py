"""Are the annotations of one picture possible: finite, inside it, with an area, and not twice?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ocellus.data.dataset import Annotation, Finding, Record
from ocellus.data.findings import finding
from ocellus.values import rings as ring_functions
from ocellus.values import runs

Box = tuple[float, float, float, float]
SLACK = 1.0  # pixels that rounding may carry a coordinate over the edge


def check_objects(
    record: Record,
    annotations: Sequence[Annotation],
    size: tuple[int, int] | None,
    *,
    classes: int,
    keypoints: int,
) -> list[Finding]:
    """What is wrong with the annotations of one picture, the reader's findings among it.

    Args:
        record: the picture.
        annotations: its annotations.
        size: (H, W) of the picture, or None where nobody knows it.
        classes: how many class names there are.
        keypoints: how many points the skeleton has.
    """
    found: list[Finding] = []
    known: dict[object, str] = {}
    file = record.source or record.image
    for number, annotation in enumerate(annotations, 1):
        found += annotation.findings
        where = annotation.source or f"object {number}"
        faults = list(faults_of(annotation, size, classes=classes, keypoints=keypoints))
        key = identity(annotation)
        if key in known:
            faults.append(("annotation-twice", f"the same as {known[key]}"))
        else:
            known[key] = where
        place = where if file != record.image and record.name in where else f"{record.name}, {where}"
        found += [finding(kind, file, where=place, value=value) for kind, value in faults]
    return found


def check_smoothing(record: Record, annotations: Sequence[Annotation]) -> list[Finding]:
    """Whether a mask of numbered objects looks like a mask of black and white with greys along its edges.

    It does where the largest object has more than half of the pixels and the highest number, and ten or more
    others, whose numbers leave gaps, have less than a hundredth of its pixels each in the middle.
    """
    areas = {
        int(annotation.source.removeprefix("value ")): int(annotation.counts[1::2].sum())
        for annotation in annotations
        if annotation.counts is not None and annotation.source.removeprefix("value ").isdecimal()
    }
    if len(areas) < 11:
        return []
    highest = max(areas)
    others = {value: area for value, area in areas.items() if value != highest}
    small = sorted(others.values())[len(others) // 2] < areas[highest] / 100
    if not small or areas[highest] <= sum(others.values()) or max(others) == len(others):
        return []
    value = f"{highest} on {areas[highest]} pixels, {len(others)} other values on {sum(others.values())}"
    return [finding("mask-smoothed", record.source or record.image, value=value)]


def faults_of(
    annotation: Annotation, size: tuple[int, int] | None, *, classes: int, keypoints: int
) -> Iterator[tuple[str, str]]:
    """(kind, value) of each fault of one annotation."""
    if not annotation.findings:  # else the reader has said why there is no class or no shape
        if not 0 <= annotation.label < classes:
            yield "label-unknown", f"label {annotation.label} of {classes} classes"
        given = (annotation.box, annotation.counts, annotation.keypoints)
        if not annotation.rings and all(part is None for part in given):
            yield "annotation-shapeless", ""
    if bad := next(not_finite(annotation), ""):
        yield "coordinate-nan", bad
        return
    if annotation.box is not None:
        yield from faults_of_box(annotation.box, size)
    yield from faults_of_rings(annotation, size)
    yield from faults_of_runs(annotation, size)
    if size is not None:
        yield from faults_of_agreement(annotation, size)
    yield from faults_of_keypoints(annotation, size, keypoints=keypoints)


def not_finite(annotation: Annotation) -> Iterator[str]:
    """Each part of an annotation that holds NaN or infinity."""
    if annotation.box is not None and not all(map(math.isfinite, annotation.box)):
        yield f"box {numbers(annotation.box)}"
    for place, ring in enumerate(annotation.rings or (), 1):
        if not np.isfinite(ring).all():
            yield f"polygon {place}"
    for place, point in enumerate(annotation.keypoints or (), 1):
        if not all(map(math.isfinite, point)):
            yield f"keypoint {place} {numbers(point)}"


def faults_of_box(box: Box, size: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    """Whether a box has an area and lies in the picture of (H, W)."""
    x1, y1, x2, y2 = box
    value = f"box {numbers(box)}"
    if x2 <= x1 or y2 <= y1:
        yield "box-empty", value
    elif size is not None:
        height, width = size
        value += f" in {width}x{height}"
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            yield "box-outside", value
        elif over_edge(box, size) > SLACK:
            yield "box-over-edge", value


def over_edge(box: Box, size: tuple[int, int]) -> float:
    """How many pixels a box reaches over the edge, where it does most."""
    height, width = size
    return max(-box[0], -box[1], box[2] - width, box[3] - height)


def faults_of_rings(annotation: Annotation, size: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    """Whether polygons have three points, an area, and lie in the picture of (H, W)."""
    rings = annotation.rings or ()
    for place, ring in enumerate(rings, 1):
        if len(ring) < 3:
            yield "polygon-short", f"polygon {place} of {len(rings)}: {len(ring)} points"
        elif size is not None:
            extent = box_of([ring])
            if over_edge(extent, size) > SLACK:
                yield "polygon-over-edge", f"polygon {place} spans {numbers(extent)} in {size[1]}x{size[0]}"
    whole = [ring for ring in rings if len(ring) >= 3]
    if whole and all(abs(ring_functions.area(ring)) < 1e-9 for ring in whole):
        yield "mask-empty", "polygons without area"


def faults_of_runs(annotation: Annotation, size: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    """Whether a mask has the size of the picture, (H, W), and a pixel."""
    counts, run_size = annotation.counts, annotation.run_size
    if counts is None:
        return
    of = run_size or size
    if size is not None and run_size is not None and run_size != size:
        yield "mask-size", f"mask {run_size[1]}x{run_size[0]}, picture {size[1]}x{size[0]}"
    if of is not None and (int(counts.sum()) != of[0] * of[1] or int(counts.min(initial=0)) < 0):
        yield "mask-runs", f"sum {int(counts.sum())}, size {of[1]}x{of[0]}"
    elif not counts[1::2].any():
        yield "mask-empty", "no pixel"


def faults_of_agreement(annotation: Annotation, size: tuple[int, int]) -> Iterator[tuple[str, str]]:
    """Whether box and shape are of the same object: of less than half overlap, and pixels apart."""
    shape = shape_box(annotation, size)
    box = annotation.box
    if box is None or shape is None or box[2] <= box[0] or box[3] <= box[1]:
        return
    cut, shape = cut_to(box, size), cut_to(shape, size)
    apart = max(abs(a - b) for a, b in zip(cut, shape, strict=True))
    if apart > 4 and overlap(cut, shape) < 0.5:
        yield "box-mask-apart", f"box {numbers(box)}, shape spans {numbers(shape)}"


def faults_of_keypoints(
    annotation: Annotation, size: tuple[int, int] | None, *, keypoints: int
) -> Iterator[tuple[str, str]]:
    """Whether the points are as many as the skeleton's, and those given lie in the picture of (H, W)."""
    points = annotation.keypoints
    if points is None:
        return
    if len(points) != keypoints:
        yield "keypoint-count", f"{len(points)} points, the skeleton has {keypoints}"
    for place, (x, y, visibility) in enumerate(points, 1):
        if visibility not in (0, 1, 2):
            yield "keypoint-visibility", f"keypoint {place}: visibility {visibility:g}"
        if visibility > 0 and size is not None and over_edge((x, y, x, y), size) > SLACK:
            yield "keypoint-outside", f"keypoint {place} at {x:g}, {y:g} in {size[1]}x{size[0]}"


def identity(annotation: Annotation) -> object:
    """What makes two annotations the same object, to the last number."""
    return (
        annotation.label,
        annotation.box,
        tuple(np.asarray(ring).tobytes() for ring in annotation.rings or ()),
        None if annotation.counts is None else annotation.counts.tobytes(),
        annotation.keypoints,
        annotation.crowd,
    )


def shape_box(annotation: Annotation, size: tuple[int, int]) -> Box | None:
    """The box around the polygons or the mask; None where there is none, or it fills nothing."""
    whole = [ring for ring in annotation.rings or () if len(ring) >= 3]
    if whole:
        return box_of(whole)
    if annotation.counts is None or (annotation.run_size or size) != size:
        return None
    left, top, right, bottom = runs.bounds(annotation.counts, size[0])
    return (left, top, right, bottom) if right > left else None


def box_of(rings: list[ring_functions.Ring]) -> Box:
    """The box around all points."""
    points = np.concatenate(rings)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x1, y1, x2, y2


def extent_of(annotation: Annotation, size: tuple[int, int] | None) -> Box | None:
    """The annotated box, else the one around the shape."""
    if annotation.box is not None:
        return annotation.box
    return shape_box(annotation, size or annotation.run_size or (0, 0))


def cut_to(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box inside a picture of (H, W)."""
    height, width = size
    x1, x2 = (min(max(x, 0.0), float(width)) for x in (box[0], box[2]))
    y1, y2 = (min(max(y, 0.0), float(height)) for y in (box[1], box[3]))
    return x1, y1, x2, y2


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def numbers(values: tuple[float, ...]) -> str:
    """Numbers for a message."""
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
