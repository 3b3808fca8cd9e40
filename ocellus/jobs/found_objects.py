"""What is said, listed and drawn of the objects found in a picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from ocellus.draw.instances import draw_instances
from ocellus.values import Instances, Picture


def kept(value: Instances, *, score: float) -> Instances:
    """The objects with a score of so much or more; without the picture."""
    assert value.scores is not None
    return replace(value[value.scores >= score], picture=None)


def summary(value: Instances) -> str:
    """ "3 car, 1 dog"."""
    counts = Counter(value.name(index) for index in range(len(value)))
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"


def details(value: Instances) -> dict[str, Any]:
    """For JSON: boxes in pixels, masks as COCO's compressed run lengths."""
    return {"objects": objects(value)}


def draw(picture: Picture, value: Instances) -> Picture:
    """The picture with the objects."""
    return draw_instances(picture, value)


def objects(found: Instances) -> list[dict[str, Any]]:
    """The objects of a picture for JSON."""
    masks = found.masks.to_coco() if found.masks is not None else []
    rows = []
    for index in range(len(found)):
        row: dict[str, Any] = {
            "label": found.name(index),
            "box": [round(value, 2) for value in found.boxes[index].tolist()],
        }
        if found.scores is not None:
            row["score"] = round(float(found.scores[index]), 4)
        if masks:
            row["mask"] = masks[index] | {"counts": masks[index]["counts"].decode()}
        if found.keypoints is not None:
            row["keypoints"] = [[round(v, 2) for v in point] for point in found.keypoints[index].tolist()]
        rows.append(row)
    return rows
