"""The shapes of one LabelMe file as objects."""

from __future__ import annotations

import base64
import binascii
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocellus.data.dataset import Finding
from ocellus.data.findings import finding
from ocellus.errors import OcellusError
from ocellus.values import runs
from ocellus.values.rings import Ring

CIRCLE_ERROR = 0.01  # pixels between a circle and the polygon it becomes
AREAS = ("polygon", "rectangle", "circle", "mask")


@dataclass(eq=False)
class Object:
    """One object while its shapes are gathered; `rectangle` holds where all of them are rectangles."""

    name: str
    source: str
    rings: list[Ring] = field(default_factory=list)
    rectangle: bool = True
    box: tuple[float, float, float, float] | None = None
    counts: NDArray[np.int32] | None = None
    run_size: tuple[int, int] | None = None
    points: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    crowd: bool = False


@dataclass(eq=False)
class Page:
    """One file: its picture and its objects in the order of their first shape."""

    path: Path
    image: str
    size: tuple[int, int] | None
    objects: list[Object]
    findings: list[Finding]


def page(path: Path, data: Any) -> Page | None:
    """What one file says; None where it is JSON of another kind.

    Raises:
        OcellusError: its shapes are not a list.
    """
    if not isinstance(data, dict) or "shapes" not in data:
        return None
    if not isinstance(data["shapes"], list):
        raise OcellusError(f"{path} has shapes that are no list; save it again in LabelMe")
    height, width = data.get("imageHeight"), data.get("imageWidth")
    size = (int(height), int(width)) if isinstance(height, (int, float)) and width else None
    found = Page(path, str(data.get("imagePath") or ""), size, [], [])
    objects: dict[Any, Object] = {}
    points: list[tuple[int, dict[str, Any]]] = []
    for number, shape in enumerate(data["shapes"], 1):
        if not isinstance(shape, dict):
            found.findings.append(_wrong("annotation-unreadable", path, number, shape))
        elif shape.get("shape_type", "polygon") == "point":
            points.append((number, shape))
        elif shape.get("shape_type", "polygon") not in AREAS:
            found.findings.append(_wrong("annotation-ignored", path, number, shape.get("shape_type")))
        else:
            group, name = shape.get("group_id"), str(shape.get("label", ""))
            key = (group, name) if group is not None else ("alone", number)
            made = objects.get(key) or Object(name, f"shape {number}")
            try:
                _add(made, shape, size)
            except (ValueError, TypeError, KeyError, IndexError, OSError, binascii.Error) as error:
                detail = f"the {shape.get('shape_type', 'polygon')} cannot be read: {error}"
                found.findings.append(
                    _wrong("annotation-unreadable", path, number, shape.get("points"), detail)
                )
            else:
                objects[key] = made
    for number, shape in points:
        _add_point(objects, shape, number, found)
    found.objects = list(objects.values())
    return found


def _wrong(kind: str, path: Path, number: int, value: object, detail: str = "") -> Finding:
    return finding(kind, path, where=f"shape {number}", value=str(value)[:200], detail=detail)


def _add(made: Object, shape: dict[str, Any], size: tuple[int, int] | None) -> None:
    kind = shape.get("shape_type", "polygon")
    flags = shape.get("flags") or {}
    made.crowd = made.crowd or bool(flags.get("crowd"))
    corners = np.array(shape["points"], np.float64).reshape(-1, 2)
    if kind == "rectangle":
        (x1, y1), (x2, y2) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        made.box = (x1, y1, x2, y2) if not made.rings else None
        if not flags.get("box"):
            made.rings.append(np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]))
        return
    made.rectangle = False
    made.box = None
    if kind == "circle":
        made.rings.append(circle(corners[0], corners[1]))
    elif kind == "mask":
        if size is None:
            raise ValueError("a mask needs imageHeight and imageWidth")
        mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))).convert("L")) > 0
        left, top = (round(value) for value in corners.min(axis=0).tolist())
        whole = np.zeros(size, bool)
        inside = mask[: max(size[0] - top, 0), : max(size[1] - left, 0)]
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        made.counts, made.run_size = runs.encode(whole, size=size), size
    else:
        made.rings.append(corners)


def circle(centre: NDArray[np.float64], edge: NDArray[np.float64]) -> Ring:
    """A circle by its centre and a point on it, as a polygon that leaves it by at most 0.01 pixels."""
    radius = float(np.hypot(*(edge - centre)))
    half = math.acos(1 - min(CIRCLE_ERROR / radius, 1.0)) if radius > 0 else math.pi
    count = max(8, math.ceil(math.pi / half))
    angles = np.arange(count) * (2 * math.pi / count)
    return centre + radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)


def _add_point(objects: dict[Any, Object], shape: dict[str, Any], number: int, found: Page) -> None:
    group, name = shape.get("group_id"), str(shape.get("label", ""))
    if group is None:
        detail = "the point belongs to no group"
        found.findings.append(_wrong("annotation-ignored", found.path, number, name, detail))
        return
    owners = [known for key, known in objects.items() if key[0] == group]
    if not owners:
        owners = [objects.setdefault((group, "object"), Object("object", f"shape {number}"))]
    hidden = bool((shape.get("flags") or {}).get("hidden"))
    try:
        x, y = (float(value) for value in shape["points"][0])
    except (ValueError, TypeError, KeyError, IndexError):
        found.findings.append(_wrong("annotation-unreadable", found.path, number, shape.get("points")))
        return
    owners[0].points[name] = (x, y, 1.0 if hidden else 2.0)
