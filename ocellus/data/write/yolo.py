"""YOLO's text files: data.yaml, images/ and labels/. Masks are polygons; with a skeleton, boxes and points.

Holes and separate parts are one polygon with seams of no width. Even-odd filling, which our reader does,
gives the same mask; programs that fill every turn of a polygon paint the seams, one pixel wide.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from ocellus.data.dataset import Finding
from ocellus.data.instances import odd_rings
from ocellus.data.write.files import Losses, Names, place_picture, write_text
from ocellus.data.write.shapes import area_differs, extent_differs, odd_outline, one_ring
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances
from ocellus.values.rings import Ring


def write(
    items: Iterable[tuple[str, Instances]],
    folder: Path,
    *,
    labels: LabelMap,
    skeleton: Skeleton | None = None,
) -> tuple[Finding, ...]:
    """Writes data.yaml, labels/ and images/. With a skeleton each line is a box and keypoints, without mask.

    Raises:
        OcellusError: a name cannot be used, or a file cannot be written.
    """
    names, losses = Names(), Losses()
    for name, instances in items:
        names.add(name)
        place_picture(instances, folder / "images" / name)
        losses.add("score-not-held", name, len(instances) if instances.scores is not None else 0)
        losses.add("crowd-not-held", name, int(instances.crowd.sum()) if instances.crowd is not None else 0)
        losses.add("area-not-held", name, area_differs(instances))
        if instances.keypoints is not None and skeleton is None:
            losses.add("keypoints-not-held", name, len(instances))
        lines = [_line(instances, index, name, losses, skeleton) for index in range(len(instances))]
        stem = PurePosixPath(name).with_suffix(".txt")
        write_text(folder / "labels" / stem, "".join(line + "\n" for line in lines))
    write_text(folder / "data.yaml", _settings(names, labels, skeleton))
    return losses.findings(folder)


def _settings(names: Names, labels: LabelMap, skeleton: Skeleton | None) -> str:
    places = {split: f"images/{first.split('/')[0]}" for split, first in names.first() if split}
    settings: dict[str, Any] = {"path": ".", **(places or {"train": "images"})}
    settings |= {"nc": len(labels), "names": dict(enumerate(labels))}
    if skeleton is not None:
        settings["kpt_shape"] = [len(skeleton), 3]
        settings["flip_idx"] = list(skeleton.flip_order)
        settings["kpt_names"] = {label: list(skeleton.names) for label in range(len(labels))}
        settings["kpt_edges"] = [list(edge) for edge in skeleton.edges]
        settings["kpt_sigmas"] = list(skeleton.sigmas)
    return str(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def _line(instances: Instances, index: int, name: str, losses: Losses, skeleton: Skeleton | None) -> str:
    height, width = instances.size
    masks, points = instances.masks, instances.keypoints
    filled = masks is not None and bool(masks.run_lengths(index)[1::2].any())
    if filled and skeleton is None and masks is not None:
        outline = odd_outline(masks, index)
        shares = _shares(one_ring(outline), instances.size)
        read = np.array([float(text) for text in shares]).reshape(-1, 2) * (width, height)
        if not np.array_equal(odd_rings([read], instances.size), masks.run_lengths(index)):
            shares = _shares(one_ring(list(masks.outlines(index))), instances.size)
        losses.add("box-not-held", name, int(extent_differs(instances, index, outline)))
        return " ".join((str(int(instances.labels[index])), *shares))
    losses.add("mask-not-held", name, int(filled))
    x1, y1, x2, y2 = instances.boxes[index].double().tolist()
    box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    numbers = [f"{value:.10g}" for value in box]
    if skeleton is not None:
        for place in range(len(skeleton)):
            x, y, seen = points[index, place].tolist() if points is not None else (0.0, 0.0, 0.0)
            numbers += [f"{x / width:.10g}", f"{y / height:.10g}", f"{seen:g}"]
    return " ".join((str(int(instances.labels[index])), *numbers))


def _shares(ring: Ring, size: tuple[int, int]) -> list[str]:
    height, width = size
    return [f"{value:.10g}" for value in (ring / (width, height)).ravel().tolist()]
