"""One page that shows several answers to one question side by side: their figures, then their pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocellus.report import page
from ocellus.values import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Column:
    """One of those that are compared.

    Args:
        name: of it.
        figures: that were measured; one that is left out is shown as a dash.
    """

    name: str
    figures: Mapping[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Row:
    """What all of them make of one thing.

    Args:
        name: of it.
        pictures: (words, picture), in the order in which they are shown.
    """

    name: str
    pictures: tuple[tuple[str, Picture], ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """How a figure is shown.

    Args:
        name: as in the columns' figures.
        title: what it is called.
        gloss: what it is of, and which side is better.
        better: "high", "low", or "" where neither is.
        digits: behind the point.
    """

    name: str
    title: str
    gloss: str = ""
    better: str = ""
    digits: int = 2


def write_side_by_side(
    path: Path,
    *,
    title: str,
    lead: str,
    figures: Sequence[Figure],
    columns: Sequence[Column],
    rows: Sequence[Row],
) -> Path:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        title: the question.
        lead: what is compared on what, in a sentence or two.
        figures: in order; the best of each is marked.
        columns: in order.
        rows: in order.

    Raises:
        OcellusError: the place cannot be written to.
    """
    shown = [(figure.title, figure.gloss, cells(figure, columns)) for figure in figures]
    values = {
        "title": title,
        "lead": lead,
        "columns": columns,
        "figures": shown,
        "rows": rows,
        "uri": page.Pictures([picture for row in rows for _, picture in row.pictures]),
    }
    return page.write_page(path, page.render("side_by_side.html", values))


def cells(figure: Figure, columns: Sequence[Column]) -> list[tuple[str, bool]]:
    """Of each column the figure as text, and whether it is the best."""
    held = [column.figures.get(figure.name, math.nan) for column in columns]
    known = [value for value in held if math.isfinite(value)]
    best = {"high": max, "low": min}[figure.better](known) if figure.better and known else None
    return [(f"{value:.{figure.digits}f}" if math.isfinite(value) else "–", value == best) for value in held]
