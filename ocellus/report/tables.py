"""The tables of a page, as rows of plain values for the templates."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ocellus.report.evaluation import Confusion
from ocellus.report.measures import GLOSSES, KINDS, gloss_of_classes, number, overall, per_class, title
from ocellus.values.html import color

Color = tuple[int, int, int]

LARGEST_MATRIX = 24
"""Classes up to which a confusion matrix can be read; above, the pairs most often confused are listed."""

MISSING = "not set"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure: as text, and as a share 0 to 1 for its bar or its shade."""

    text: str
    share: float = 0.0
    hint: str = ""
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table: its header, the header's color (CSS) where it is a class, and its cells."""

    name: str
    cells: tuple[Cell, ...]
    paint: str = ""


def css_color(label: int, colors: Sequence[Color] = ()) -> str:
    """The color that a class is drawn in: the data set's own, where it has one."""
    return "rgb({} {} {})".format(*(colors[label] if label < len(colors) else color(label)))


def class_rows(
    metrics: Mapping[str, float],
    labels: Sequence[str],
    *,
    colors: Sequence[Color] = (),
    reasons: Mapping[str, str] | None = None,
) -> tuple[list[str], list[Row]]:
    """Column titles and a row for each class, in the order of its label.

    Args:
        metrics: figures by name.
        labels: the class names.
        colors: RGB of each, where the data set states colors.
        reasons: for figures that are nan, why.
    """
    why = reasons or {}
    columns, found = per_class(metrics)
    names = [name for name in labels if name in found] + [name for name in found if name not in labels]
    rows = [
        Row(
            name=name,
            paint=css_color(labels.index(name), colors) if name in labels else "",
            cells=tuple(
                _figure(found[name].get(column, float("nan")), why.get(f"{column}/{name}", ""))
                for column in columns
            ),
        )
        for name in names
    ]
    return [title(column) for column in columns], rows


def overall_rows(metrics: Mapping[str, float]) -> tuple[list[str], list[tuple[str, str, list[Cell]]]]:
    """Figures that are not of one class: a column for each kind of them, and (name, what it says, cells)."""
    whole = overall(metrics)
    kinds = [kind for kind in KINDS if any(name.startswith(f"{kind}/") for name in whole)]
    rows: dict[str, dict[str, float]] = {}
    for name, value in whole.items():
        kind, _, rest = name.partition("/")
        key, column = (rest, kind) if kind in kinds else (title(name), "")
        rows.setdefault(key, {})[column] = value
    columns = kinds + ([""] if any("" in row for row in rows.values()) else [])
    empty = Cell(text="")
    table = [
        (
            name.replace("/", " "),
            GLOSSES.get(name, "") or gloss_of_classes(name.replace(" ", "_")),
            [_figure(row[c]) if c in row else empty for c in columns],
        )
        for name, row in rows.items()
    ]
    return [KINDS.get(column, "Value") for column in columns], table


def confusion_rows(confusion: Confusion, *, colors: Sequence[Color] = ()) -> list[Row]:
    """A row for each true class, cells shaded by their share of it; the last row is what is not there.

    Of pixels the cells say the share itself, and there is no last row.
    """
    names = confusion.names
    rows = []
    for index, counts in enumerate(confusion.counts):
        real = index < len(names)
        total = sum(counts) if real else max(map(sum, confusion.counts))
        cells = []
        for column, count in enumerate(counts):
            taken = names[column] if column < len(names) else "nothing"
            what = names[index] if real else "nothing"
            empty = not real and column == len(names)
            cells.append(
                Cell(
                    text="" if empty else f"{count:,}",
                    share=count / total if total and not empty else 0.0,
                    hint="" if empty else f"{what} taken for {taken}: {count:,}",
                    strong=real and column == index,
                )
            )
        if confusion.of_pixels:
            cells = [
                replace(cell, text=_percent(count, total)) for cell, count in zip(cells, counts, strict=True)
            ]
        paint = css_color(index, colors) if real else ""
        rows.append(Row(name=names[index] if real else "nothing there", cells=tuple(cells), paint=paint))
    return rows


def confused_pairs(confusion: Confusion, *, limit: int = 15) -> list[tuple[str, str, int]]:
    """(true, predicted, count) of the classes most often taken for others, most often first."""
    names = confusion.names
    pairs = [
        (names[row], names[column], int(confusion.counts[row][column]))
        for row in range(len(names))
        for column in range(len(names))
        if row != column and confusion.counts[row][column]
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:limit]


def plain(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(entry) for entry in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == "":
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def differing(settings: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[tuple[str, str, list[str]]]:
    """(section, name, value of each run) of the settings that are not the same in all runs."""
    keys = dict.fromkeys((section, name) for run in settings for section in run for name in run[section])
    found = []
    for section, name in keys:
        values = [run.get(section, {}).get(name, MISSING) for run in settings]
        if any(value != values[0] for value in values):
            texts = [MISSING if value is MISSING else plain(value) for value in values]
            found.append((section, name, texts))
    return found


def environment() -> list[tuple[str, str]]:
    """What this page was written with: versions and machine."""
    rows = []
    for package in ("ocellus", "torch", "torchvision", "numpy", "lightning"):
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            rows.append((package, "not installed"))
    rows.append(("python", platform.python_version()))
    rows.append(("machine", f"{platform.system()} {platform.machine()}"))
    return rows


def _percent(count: int, total: int) -> str:
    """A share in per cent: "93.1", "0.1", "0" for some but few, nothing for none, a dash for none of none."""
    if not total:
        return "–"
    share = 100 * count / total
    return "" if not count else f"{share:.1f}" if share >= 0.05 else "0"


def _figure(value: float, reason: str = "") -> Cell:
    share = value if 0 <= value <= 1 else 0.0
    hint = "" if value == value else reason or "nothing to measure"
    return Cell(text=number(value), share=share, hint=hint)
