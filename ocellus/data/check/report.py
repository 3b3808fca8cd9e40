"""What the data doctor says: findings, and how many of what there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocellus.data.dataset import Finding
from ocellus.data.findings import KINDS, REFUSE
from ocellus.errors import OcellusError


@dataclass(frozen=True, eq=False, kw_only=True)
class Check:
    """The state of a data set.

    Args:
        root: the folder or file that was read.
        format: as `Dataset.format`.
        split_rule: where the splits come from.
        names: the class names.
        findings: refusals first, then by kind in the order of the table, then as they stand in the data set.
        pictures: pictures of each split.
        objects: for each split the objects of each class; crowd regions are not counted.
        crowds: crowd regions of each split.
        picture_sizes: pictures of each (H, W), as displayed, that could be read.
        object_sides: objects by the square root of their box's area, in pixels: "8-16" is from 8, below 16.
        seconds: how long the check took.
        pixels: of label maps: for each split the pixels of each class; `objects` is then of what they were
            made from, where they were made from objects.
        ignored: of label maps: ignored pixels of each split.
        values: of label maps: (value in the files, its class or "ignored" or "no class", pixels).
        view: "objects", "classes" of all pixels, "labels", "pictures", "pairs" or "domains"; of labels and
            domains `objects` counts pictures of each.
        about: one sentence on what is what, where the view does not tell: which half of a pair is given.
    """

    root: Path
    format: str
    split_rule: str
    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    pictures: dict[str, int]
    objects: dict[str, dict[str, int]]
    crowds: dict[str, int]
    picture_sizes: dict[tuple[int, int], int]
    object_sides: dict[str, int]
    seconds: float
    pixels: dict[str, dict[str, int]] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    values: tuple[tuple[str, str, int], ...] = ()
    view: str = "objects"
    about: str = ""

    @property
    def refuses(self) -> bool:
        """Whether training on it is refused."""
        return any(finding.severity == REFUSE for finding in self.findings)

    @property
    def semantic(self) -> bool:
        """Whether it is of label maps."""
        return bool(self.pixels)

    def by_kind(self) -> Iterator[tuple[str, list[Finding]]]:
        """Each kind that was found with its findings, refusals first."""
        groups: dict[str, list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault(finding.kind, []).append(finding)
        yield from groups.items()

    def require(self) -> None:
        """Nothing, where training may go on.

        Raises:
            OcellusError: training is refused; the message tells the kinds, how often, and the first of each.
        """
        if not self.refuses:
            return
        parts = []
        for kind, found in self.by_kind():
            first = found[0]
            if first.severity == REFUSE:
                place = " ".join(part for part in (shown(first.file, self.root), first.where) if part)
                value = f" ({first.value})" if first.value else ""
                parts.append(f"{kind} x {len(found)}, first {place}{value}: {first.message}")
        more = f"; and {len(parts) - 3} more kinds" if len(parts) > 3 else ""
        raise OcellusError(
            f"{self.root} cannot be trained on as it is: {'; '.join(parts[:3])}{more}. "
            f"`ocellus check {self.root}{viewed(self.view)}` lists everything"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "root": str(self.root),
            "format": self.format,
            "view": self.view,
            "about": self.about,
            "split_rule": self.split_rule,
            "refuses": self.refuses,
            "names": list(self.names),
            "pictures": self.pictures,
            "objects": self.objects,
            "crowds": self.crowds,
            "picture_sizes": [
                {"height": height, "width": width, "count": count}
                for (height, width), count in self.picture_sizes.items()
            ],
            "object_sides": self.object_sides,
            "pixels": self.pixels,
            "ignored": self.ignored,
            "values": [
                {"value": value, "class": name, "pixels": count} for value, name, count in self.values
            ],
            "findings": [asdict(finding) for finding in self.findings],
            "seconds": round(self.seconds, 3),
        }


def viewed(view: str) -> str:
    """The flag of `ocellus check` for a view, after a space; nothing for objects."""
    return "" if view == "objects" else f" --view {view}"


def shown(file: str, root: Path) -> str:
    """A file's path as a user wants to read it: from the data set's folder on."""
    path = Path(file)
    folder = root if root.is_dir() else root.parent
    return str(path.relative_to(folder)) if path != folder and path.is_relative_to(folder) else file


def ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    """Refusals first, then by kind in the order of the table; within a kind as they came."""
    places = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(
        sorted(
            findings, key=lambda one: (one.severity != REFUSE, places.get(one.kind, len(places)), one.kind)
        )
    )
