"""How figures are named, explained, rounded and compared on a page."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

KINDS = {"mask": "Mask", "box": "Box", "keypoint": "Keypoint"}
"""What average precision is measured on, the most telling first."""

GLOSSES = {
    "AP": "average precision, mean over overlaps from 0.50 to 0.95",
    "AP50": "average precision where half an overlap is enough",
    "AP75": "average precision where three quarters must overlap",
    "APs": "average precision of small objects, under 32² pixels",
    "APm": "average precision of medium objects, 32² to 96² pixels",
    "APl": "average precision of large objects, over 96² pixels",
    "AR": "share of the objects that are found, mean over overlaps",
}
"""What the common figures say, in a phrase."""

HEADLINES = ("mask/AP50", "mask/AP", "box/AP50", "box/AP", "keypoint/AP50", "keypoint/AP")
"""Figures worth a tile, the most telling first."""

LOWER_IS_BETTER = ("loss", "error", "seconds", "time", "memory", "missed", "false")


def title(name: str) -> str:
    """A metric's name for a reader: "mask/AP50" is "Mask AP50", "loss/rpn_box" is "rpn box"."""
    kind, _, rest = name.partition("/")
    if kind in KINDS and rest:
        return f"{KINDS[kind]} {rest.replace('/', ' · ')}"
    return (rest if kind in ("loss", "losses") and rest else name).replace("_", " ")


def gloss(name: str) -> str:
    """What a metric says, in a phrase; empty where it is not a common one."""
    return GLOSSES.get(name.partition("/")[2], "")


def number(value: float) -> str:
    """A figure with three or four digits that count; a dash where there is nothing to measure."""
    if not isfinite(value):
        return "–"
    if value == int(value) and abs(value) > 1:
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1e5 else f"{value:.4g}"


def per_class(metrics: Mapping[str, float]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Figures of each class.

    Returns:
        The columns ("mask/AP", ...) and for each class its figures by column; metrics are named
        "kind/figure/class", and a class may itself hold a slash.
    """
    rows: dict[str, dict[str, float]] = {}
    columns: list[str] = []
    for name, value in metrics.items():
        parts = name.split("/", 2)
        if len(parts) == 3 and parts[0] in KINDS:
            column = f"{parts[0]}/{parts[1]}"
            columns += [column] if column not in columns else []
            rows.setdefault(parts[2], {})[column] = value
    return sorted(columns, key=_order), rows


def overall(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures that are not of one class, the most telling kind first."""
    whole = {
        name: value
        for name, value in metrics.items()
        if not (name.count("/") > 1 and name.split("/", 1)[0] in KINDS)
    }
    return dict(sorted(whole.items(), key=lambda item: _order(item[0])))


def best(name: str, values: list[float | None]) -> set[int]:
    """Which of several runs' values of a metric are the best; none where all are the same or one is known."""
    known = [value for value in values if value is not None and isfinite(value)]
    if len(known) < 2 or min(known) == max(known):
        return set()
    lower = any(word in name.lower() for word in LOWER_IS_BETTER)
    target = min(known) if lower else max(known)
    return {index for index, value in enumerate(values) if value == target}


def _order(name: str) -> tuple[int, int]:
    kind, _, rest = name.partition("/")
    kinds = list(KINDS)
    figures = list(GLOSSES)
    return (
        kinds.index(kind) if kind in kinds else len(kinds),
        figures.index(rest) if rest in figures else len(figures),
    )
