"""LabelMe: a JSON file beside each picture, labels.txt and, with keypoints, skeleton.json.

The rings of a mask are polygons of one group: a ring inside another is a hole. Keypoints are points of the
group. The flags "crowd", "hidden" and "box" say what LabelMe has no word for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from ocellus.data.dataset import Finding
from ocellus.data.labelme import SKELETON_FILE
from ocellus.data.write.files import Losses, Names, place_picture, write_text
from ocellus.data.write.shapes import area_differs, extent_differs, odd_outline, short
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances

VERSION = "5.5.0"  # of LabelMe, which wants to see one


def write(
    items: Iterable[tuple[str, Instances]],
    folder: Path,
    *,
    labels: LabelMap,
    skeleton: Skeleton | None = None,
) -> tuple[Finding, ...]:
    """Writes one JSON file a picture, and the picture beside it where it comes along.

    Raises:
        OcellusError: a name cannot be used, or a file cannot be written.
    """
    names, losses = Names(), Losses()
    write_text(folder / "labels.txt", "".join(f"{name}\n" for name in labels))
    if skeleton is not None:
        text = json.dumps(skeleton.to_dict(), ensure_ascii=False, indent=1)
        write_text(folder / SKELETON_FILE, text)
    for name, instances in items:
        names.add(name)
        place_picture(instances, folder / name)
        losses.add("score-not-held", name, len(instances) if instances.scores is not None else 0)
        losses.add("area-not-held", name, area_differs(instances))
        if instances.keypoints is not None and skeleton is None:
            losses.add("keypoints-not-held", name, len(instances))
        shapes: list[dict[str, Any]] = []
        for index in range(len(instances)):
            shapes += _shapes(instances, index, name, losses, labels, skeleton)
        page: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": PurePosixPath(name).name,
            "imageData": None,
            "imageHeight": instances.size[0],
            "imageWidth": instances.size[1],
        }
        path = folder / PurePosixPath(name).with_suffix(".json")
        write_text(path, json.dumps(page, ensure_ascii=False, indent=1))
    return losses.findings(folder)


def _shapes(
    instances: Instances,
    index: int,
    name: str,
    losses: Losses,
    labels: LabelMap,
    skeleton: Skeleton | None,
) -> list[dict[str, Any]]:
    masks = instances.masks
    flags = {"crowd": True} if instances.crowd is not None and bool(instances.crowd[index]) else {}
    label = labels[int(instances.labels[index])]
    x1, y1, x2, y2 = short(instances.boxes[index])
    if masks is not None and masks.run_lengths(index)[1::2].any():
        outline = odd_outline(masks, index)
        losses.add("box-not-held", name, int(extent_differs(instances, index, outline)))
        areas = [_shape(label, "polygon", ring.tolist(), flags) for ring in outline]
    else:
        areas = [_shape(label, "rectangle", [[x1, y1], [x2, y2]], {**flags, "box": True})]
    points = []
    if skeleton is not None and instances.keypoints is not None:
        for keypoint, (x, y, seen) in zip(skeleton.names, instances.keypoints[index], strict=True):
            if seen > 0:
                hidden = {"hidden": True} if seen == 1 else {}
                points.append(_shape(keypoint, "point", [[short(x)[0], short(y)[0]]], hidden))
    together = areas + points
    if len(together) > 1:
        for shape in together:
            shape["group_id"] = index + 1
    return together


def _shape(label: str, kind: str, points: list[Any], flags: dict[str, bool]) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": flags,
        "mask": None,
    }
