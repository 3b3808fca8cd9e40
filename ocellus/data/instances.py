"""A record as `Instances`: boxes as tensors, and masks rasterised the way their format does it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from faster_coco_eval.core import mask as codec
from numpy.typing import NDArray

from ocellus.data.dataset import Annotation, Dataset, Record
from ocellus.data.images import picture_size, read_picture
from ocellus.errors import OcellusError
from ocellus.values import Instances, Masks, rings, runs
from ocellus.values.rings import Ring

LEAST_POINTS = 3


def instances(record: Record, dataset: Dataset) -> Instances:
    """The objects of one picture that belong to a class of the data set.

    COCO's polygons are rasterised as pycocotools does and their parts united; others hold the pixels whose
    centre an odd number of their rings enclose. Objects of no class are left out (`Annotation.findings` has
    them). Where an object has a shape and no box, the box is the polygons' extent, or the mask's.

    Args:
        record: one of the data set's.
        dataset: gives class names and keypoints.

    Raises:
        OcellusError: the picture's size is not stated and cannot be read, or a mask is of another size.
    """
    size = record.size or picture_size(record.image)
    found = [one for one in record.annotations if one.label >= 0 and _has_place(one)]
    shaped = any(_has_shape(one) for one in found)
    masks = None
    if shaped:
        counts = [shape(one, size, file=record.source or str(record.image)) for one in found]
        polygons = tuple(() if not _has_shape(one) else one.rings for one in found)
        masks = Masks.from_runs(counts, size, polygons=polygons)
    boxes = np.zeros((len(found), 4), np.float64)
    for row, one in enumerate(found):
        boxes[row] = _box(one, masks.run_lengths(row) if masks is not None else None, size)
    points = None
    if dataset.skeleton is not None:
        none = ((0.0, 0.0, 0.0),) * len(dataset.skeleton)
        points = torch.tensor([one.keypoints or none for one in found], dtype=torch.float32)
        points = points.reshape(-1, len(dataset.skeleton), 3)
    return Instances(
        size=size,
        boxes=torch.from_numpy(boxes.astype(np.float32)),
        labels=torch.tensor([one.label for one in found], dtype=torch.int64),
        masks=masks,
        keypoints=points,
        crowd=torch.tensor([one.crowd for one in found], dtype=torch.bool),
        areas=_areas(found, masks, boxes),
        names=dataset.labels.names,
        edges=dataset.skeleton.edges if dataset.skeleton is not None else (),
    )


def pictured(record: Record, dataset: Dataset) -> Instances:
    """The objects of one picture, and the picture.

    Args:
        record: one of the data set's.
        dataset: gives class names and keypoints.

    Raises:
        OcellusError: the picture cannot be read, or is not of the size that was annotated.
    """
    picture = read_picture(record.image)
    if record.size is not None and record.size != picture.size:
        (height, width), (annotated_height, annotated_width) = picture.size, record.size
        raise OcellusError(
            f"{record.image} is {width}x{height} and was annotated as {annotated_width}x{annotated_height}: "
            f"objects would lie in the wrong place; `ocellus check {dataset.root}` tells more"
        )
    return replace(instances(record, dataset), picture=picture)


def shape(one: Annotation, size: tuple[int, int], *, file: str = "") -> NDArray[np.int32]:
    """Run lengths of one annotation's mask in a picture of (H, W); empty where it has no shape.

    Raises:
        OcellusError: its run lengths are of another size.
    """
    if one.counts is not None:
        if one.run_size != size:
            given = "x".join(str(side) for side in one.run_size or ())
            message = (
                f"{file}, {one.source}: the mask is {given} (height x width), the picture {size[0]}x{size[1]}"
            )
            raise OcellusError(f"{message}; write the mask at the picture's size")
        return one.counts
    drawn = [ring for ring in one.rings or () if len(ring) >= LEAST_POINTS and np.isfinite(ring).all()]
    if not drawn:
        return np.array([size[0] * size[1]], np.int32)
    return coco_polygons(drawn, size) if one.parts == "union" else odd_rings(drawn, size)


def coco_polygons(drawn: list[Ring], size: tuple[int, int]) -> NDArray[np.int32]:
    """Run lengths of the union of polygons, rasterised as COCO's own code does."""
    packed = codec.frPyObjects([ring.ravel().tolist() for ring in drawn], *size)
    return runs.from_bytes(codec.merge(packed)["counts"])


def odd_rings(drawn: list[Ring], size: tuple[int, int]) -> NDArray[np.int32]:
    """Run lengths of the pixels whose centre an odd number of rings enclose."""
    window, top, left = rings.fill(drawn, size)
    return runs.encode(window, size=size, top=top, left=left)


def _has_shape(one: Annotation) -> bool:
    return one.counts is not None or bool(one.rings)


def _has_place(one: Annotation) -> bool:
    return one.box is not None or bool(one.keypoints) or _has_shape(one)


def _box(
    one: Annotation, counts: NDArray[np.int32] | None, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The annotated box, else the extent of the polygons, of the mask, or of the points that are given."""
    if one.box is not None:
        return one.box
    if one.rings:
        points = np.concatenate(one.rings)
    elif counts is not None and one.counts is not None:
        return runs.bounds(counts, size[0])
    else:
        points = np.array([(x, y) for x, y, seen in one.keypoints or () if seen > 0]).reshape(-1, 2)
    if len(points) == 0:
        return 0.0, 0.0, 0.0, 0.0
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x1, y1, x2, y2


def _areas(found: list[Annotation], masks: Masks | None, boxes: NDArray[np.float64]) -> torch.Tensor:
    """The annotated area, else the mask's pixels, else the box's."""
    pixels = masks.areas().tolist() if masks is not None else None
    areas = []
    for row, one in enumerate(found):
        x1, y1, x2, y2 = boxes[row].tolist()
        own = pixels[row] if pixels is not None and _has_shape(one) else (x2 - x1) * (y2 - y1)
        areas.append(one.area if one.area is not None else own)
    return torch.tensor(areas, dtype=torch.float32)
