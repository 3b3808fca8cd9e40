"""One COCO annotation as an `Annotation`, and the table that says where each stands in its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocellus.data.dataset import Annotation, Finding
from ocellus.data.findings import finding
from ocellus.data.json_stream import line_and_column
from ocellus.errors import OcellusError
from ocellus.values import runs
from ocellus.values.rings import Ring


@dataclass(frozen=True, eq=False)
class Table:
    """Where the annotations of each picture stand in a file; they are parsed when asked for.

    Args:
        path: the file.
        starts: (A,) int64 first byte of each annotation, those of one picture together.
        lengths: (A,) int32 bytes of each.
        first: (P + 1,) picture p has the annotations first[p] to first[p + 1].
        labels: category id -> label.
        points: K, the keypoints of an object; 0 where there are none.
    """

    path: Path
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    first: NDArray[np.int64]
    labels: dict[Any, int]
    points: int

    def annotations(self, picture: int) -> tuple[Annotation, ...]:
        """The annotations of one picture, in the order of the file.

        Raises:
            OcellusError: an annotation is not valid JSON, or the file has changed since it was scanned.
        """
        found = []
        row = 0
        try:
            with self.path.open("rb") as stream:
                for row in range(int(self.first[picture]), int(self.first[picture + 1])):
                    stream.seek(int(self.starts[row]))
                    raw = json.loads(stream.read(int(self.lengths[row])))
                    found.append(annotation(raw, labels=self.labels, points=self.points, file=str(self.path)))
        except OSError as error:
            raise OcellusError(f"cannot read {self.path} any more: {error.strerror or error}") from error
        except json.JSONDecodeError as error:
            line, column = line_and_column(self.path, int(self.starts[row]) + error.pos)
            message = f"{self.path} is not valid JSON at line {line}, column {column} ({error.msg})"
            raise OcellusError(
                f"{message}; mend that place, or start again if the file has changed"
            ) from error
        return tuple(found)


def annotation(raw: dict[str, Any], *, labels: dict[Any, int], points: int, file: str) -> Annotation:
    """One annotation; what cannot be read is None and is said in its findings.

    Args:
        raw: the JSON object.
        labels: category id -> label.
        points: K, the keypoints of an object; 0 where there are none.
        file: for the findings.
    """
    source = f"annotation {raw.get('id', '?')}"
    findings: list[Finding] = []

    def wrong(kind: str, value: object, detail: str = "") -> None:
        findings.append(finding(kind, file, where=source, value=str(value)[:200], detail=detail))

    key = raw.get("category_id")
    label = labels.get(key, -1) if isinstance(key, (int, str)) else -1
    if label < 0:
        wrong("label-unknown", f"category_id {key}")
    box = _box(raw.get("bbox"))
    if box is None and raw.get("bbox"):
        wrong("annotation-unreadable", raw["bbox"], "bbox is not four numbers x, y, width, height")
    rings: tuple[Ring, ...] | None = None
    counts: NDArray[np.int32] | None = None
    run_size: tuple[int, int] | None = None
    shape = raw.get("segmentation")
    try:
        if isinstance(shape, dict):
            counts, run_size = _runs(shape)
        elif shape:
            rings = _rings(shape)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        kind = "mask-runs" if isinstance(shape, dict) else "annotation-unreadable"
        wrong(kind, shape, f"segmentation cannot be read: {error}")
    keypoints = None
    if points and raw.get("keypoints"):
        flat = _numbers(raw["keypoints"])
        if flat is None or len(flat) != 3 * points:
            wrong("keypoint-count", raw["keypoints"])
        else:
            keypoints = tuple((x, y, v) for x, y, v in flat.reshape(-1, 3).tolist())
    area = raw.get("area")
    return Annotation(
        label=label,
        box=box,
        rings=rings,
        parts="union",
        counts=counts,
        run_size=run_size,
        keypoints=keypoints,
        crowd=bool(raw.get("iscrowd", 0)),
        area=float(area) if isinstance(area, (int, float)) else None,
        source=source,
        findings=tuple(findings),
    )


def _numbers(value: object) -> NDArray[np.float64] | None:
    """A flat array of numbers, or None where it is anything else."""
    if not isinstance(value, list) or not all(type(number) in (int, float) for number in value):
        return None
    return np.array(value, np.float64)


def _box(value: object) -> tuple[float, float, float, float] | None:
    flat = _numbers(value)
    if flat is None or len(flat) != 4:
        return None
    x, y, width, height = flat.tolist()
    return x, y, x + width, y + height


def _rings(shape: object) -> tuple[Ring, ...]:
    if not isinstance(shape, list):
        raise ValueError("it is neither polygons nor run lengths")
    polygons = shape if isinstance(shape[0], list) else [shape]
    rings = []
    for polygon in polygons:
        flat = _numbers(polygon)
        if flat is None or len(flat) % 2:
            raise ValueError("a polygon is not a list of x, y, x, y, ...")
        rings.append(flat.reshape(-1, 2))
    return tuple(rings)


def _runs(shape: dict[str, Any]) -> tuple[NDArray[np.int32], tuple[int, int]]:
    height, width = (int(side) for side in shape["size"])
    given = shape["counts"]
    if isinstance(given, str):
        counts = runs.from_bytes(given.encode("latin-1"))
    else:
        flat = _numbers(given)
        if flat is None:
            raise ValueError("counts are neither numbers nor packed text")
        counts = flat.astype(np.int32)
    if (counts < 0).any() or int(counts.sum(dtype=np.int64)) != height * width:
        total = int(counts.sum(dtype=np.int64))
        raise ValueError(f"the runs add up to {total}, not to {height} x {width} = {height * width}")
    return counts, (height, width)
