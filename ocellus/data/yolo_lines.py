"""The lines of one YOLO label file as annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocellus.data.dataset import Annotation, Finding
from ocellus.data.findings import finding
from ocellus.data.images import picture_size
from ocellus.errors import OcellusError


@dataclass(frozen=True)
class Lines:
    """How the lines of a data set are to be read.

    Args:
        classes: how many classes there are.
        points: K and the numbers of each point, 2 or 3; (0, 0) where there are no keypoints.
    """

    classes: int
    points: tuple[int, int] = (0, 0)

    def annotations(self, labels: Path, image: Path) -> tuple[Annotation, ...]:
        """The objects of one picture; none where the picture cannot be read, for the shares need its size."""
        try:
            size = picture_size(image)
        except OcellusError:
            return ()
        text = labels.read_text(encoding="utf-8-sig", errors="replace")
        return tuple(
            self.annotation(line.split(), size=size, file=labels, where=f"line {number}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        )

    def annotation(self, fields: list[str], *, size: tuple[int, int], file: Path, where: str) -> Annotation:
        """One line.

        Args:
            fields: its numbers as text.
            size: (H, W) of the picture.
            file: for the findings.
            where: for the findings, "line 3".
        """
        try:
            numbers = np.array([float(field) for field in fields])
        except ValueError:
            return self._unreadable(fields, file, where, "the line holds something that is no number")
        label = int(numbers[0]) if numbers[0].is_integer() else -1
        findings: tuple[Finding, ...] = ()
        if not 0 <= label < self.classes:
            findings = (finding("label-unknown", file, where=where, value=f"class {fields[0]}"),)
            label = -1
        values = numbers[1:]
        height, width = size
        count, each = self.points
        box = rings = keypoints = None
        if len(values) == 4 or (count and len(values) == 4 + count * each):
            cx, cy, w, h = values[:4].tolist()
            x1, y1 = (cx - w / 2) * width, (cy - h / 2) * height
            box = (x1, y1, (cx + w / 2) * width, (cy + h / 2) * height)
            if len(values) > 4:
                points = values[4:].reshape(count, each)
                seen = points[:, 2] if each == 3 else 2.0 * (points[:, :2] != 0).any(axis=1)
                columns = (points[:, 0] * width, points[:, 1] * height, seen)
                keypoints = tuple((x, y, v) for x, y, v in np.stack(columns, axis=1).tolist())
        elif not count and len(values) >= 6 and len(values) % 2 == 0:
            rings = (values.reshape(-1, 2) * (width, height),)
        else:
            wanted = (
                f"4 + {count} x {each} numbers" if count else "4 numbers of a box or x, y pairs of a polygon"
            )
            detail = f"after its class the line has {len(values)} numbers; wanted are {wanted}"
            kind = "keypoint-count" if count else "annotation-unreadable"
            return self._unreadable(fields, file, where, detail, kind=kind)
        return Annotation(
            label=label, box=box, rings=rings, keypoints=keypoints, source=where, findings=findings
        )

    def _unreadable(
        self, fields: list[str], file: Path, where: str, detail: str, *, kind: str = "annotation-unreadable"
    ) -> Annotation:
        found = finding(kind, file, where=where, value=" ".join(fields)[:200], detail=detail)
        return Annotation(label=-1, source=where, findings=(found,))
