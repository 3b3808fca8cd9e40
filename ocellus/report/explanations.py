"""One page on why a network said so: methods side by side for each picture, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ocellus.draw.heatmap import draw_heatmap, draw_map, draw_pattern
from ocellus.metrics.explanations import Curve
from ocellus.metrics.randomisation import Randomisation
from ocellus.report import charts, measures, page, tables
from ocellus.values import Heatmap, Picture

LONGEST = 480
"""Pixels of the longer side of a picture on the page."""

MOST = 24
"""Pictures on a page."""

GLOSSES = {
    "deletion": "mean answer while pixels are removed, the most important first; low is good",
    "insertion": "mean answer while pixels are put in, the most important first; high is good",
    "likeness": "how alike the map stays while the network's weights are thrown; low is good",
    "pointing": "whether the map is highest on the object",
    "inside": "share of what speaks for the answer that lies on the object",
    "overlap": "intersection over union of the map's box and the object's",
    "seconds": "time that the map took",
}
"""The columns, in order; what is not in here comes last."""

LOW = ("deletion", "likeness", "seconds")
FLAG = (
    "stays nearly the same when the network's weights are thrown: it shows the picture's structure more than "
    "what this network learned"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """What one method says of one picture.

    Args:
        title: the method's own name.
        heat: its map.
        figures: by name; those of `GLOSSES` are explained. nan: it could not be measured.
        curves: "insertion/blur", "deletion/mean" and so on.
        randomisation: the check with thrown weights, where it was made.
    """

    title: str
    heat: Heatmap
    figures: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    randomisation: Randomisation | None = None

    def figure(self, name: str) -> float:
        """A figure, or that of its curves: the mean area over the baselines; nan where there is none."""
        found = [curve.area for key, curve in self.curves.items() if key.split("/")[0] == name]
        if found:
            return sum(found) / len(found)
        if name == "likeness" and self.randomisation is not None:
            return self.randomisation.likeness
        return self.figures.get(name, nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class Explained:
    """One picture and one answer, explained by one method or more.

    Args:
        name: the picture's.
        picture: itself.
        target: the answer in words.
        answers: what the network answers, the first first: (class or object, score 0 to 1).
        explanations: of the same picture and answer.
        scale: what the curves' values are, in words.
    """

    name: str
    picture: Picture
    target: str
    answers: tuple[tuple[str, float], ...] = ()
    explanations: tuple[Explanation, ...]
    scale: str = "answer"


def write_explanations(
    path: Path | str, explained: Sequence[Explained], *, model: str, about: str = "", left_out: int = 0
) -> Path:
    """Write one HTML page.

    Args:
        path: the page to write; a folder: explanations.html in it.
        explained: the pictures; `MOST` of them are shown.
        model: the network's name.
        about: what it is, in a sentence.
        left_out: pictures that were explained and are not among these.

    Returns:
        The page's path.

    Raises:
        OcellusError: the place cannot be written to.
    """
    path = Path(path)
    path = path / "explanations.html" if path.is_dir() or not path.suffix else path
    shown = list(explained[:MOST])
    drawn: list[Picture] = []

    def keep(picture: Picture) -> Picture:
        drawn.append(picture)
        return picture

    files = [Path(one.name).name for one in shown]
    names = [file if files.count(file) == 1 else one.name for file, one in zip(files, shown, strict=True)]
    rows = [_picture(one, name, keep) for one, name in zip(shown, names, strict=True)]
    values = {
        "title": f"Why {Path(model).name} said so",
        "about": about,
        "methods": list(dict.fromkeys(e.title for one in shown for e in one.explanations)),
        "pictures": rows,
        "left_out": left_out + len(explained) - len(shown),
        "measured": any(row["columns"] for row in rows),
        "uri": page.Pictures(drawn),
    }
    return page.write_page(path, page.render("explanations.html", values))


def columns_of(explained: Explained) -> list[str]:
    """The names of the figures that any method has, in the order of `GLOSSES`."""
    others = [name for e in explained.explanations for name in e.figures if name not in GLOSSES]
    names = [*GLOSSES, *dict.fromkeys(others)]
    return [name for name in names if any(isfinite(e.figure(name)) for e in explained.explanations)]


def table_of(explained: Explained) -> list[tuple[str, list[tables.Cell]]]:
    """A row of cells for each method; the best of several is marked."""
    columns = columns_of(explained)
    best = {name: _best(name, [e.figure(name) for e in explained.explanations]) for name in columns}
    return [
        (e.title, [_cell(name, e.figure(name), strong=index in best[name]) for name in columns])
        for index, e in enumerate(explained.explanations)
    ]


def charts_of(explained: Explained) -> list[Markup]:
    """Insertion, deletion, and what is left of each map while weights are thrown."""
    found = []
    for kind, title in (("deletion", "Pixels removed"), ("insertion", "Pixels put in")):
        lines = [
            charts.Line(name=e.title, x=curve.shares, y=curve.values, color=index)
            for index, e in enumerate(explained.explanations)
            for curve in [next((c for name, c in e.curves.items() if name.split("/")[0] == kind), None)]
            if curve is not None
        ]
        name = next((n for e in explained.explanations for n in e.curves if n.split("/")[0] == kind), "")
        over = {"blur": ", replaced by a blur", "mean": ", replaced by their mean"}
        found.append(
            charts.line_chart(
                lines,
                title=f"{title}: {explained.scale}",
                x_label=f"share of the pixels{over.get(name.partition('/')[2], '')}",
                x_range=(0.0, 1.0),
            )
        )
    lines = [
        charts.Line(
            name=e.title,
            x=[stage.share for stage in e.randomisation.stages],
            y=[_likeness(stage) for stage in e.randomisation.stages],
            color=index,
        )
        for index, e in enumerate(explained.explanations)
        if e.randomisation is not None
    ]
    found.append(
        charts.line_chart(
            lines,
            title="Weights thrown: likeness of the map (rank correlation)",
            x_label="share of the layers thrown, from the answer down",
            y_range=(min(0.0, *(v for line in lines for v in line.y if isfinite(v)), 0.0), 1.0),
        )
    )
    return [chart for chart in found if chart]


def _likeness(stage: Any) -> float:
    return nan if stage.empty else float(stage.likeness.rank_of_magnitudes)


def _picture(explained: Explained, name: str, keep: Callable[[Picture], Picture]) -> dict[str, Any]:
    """What the template shows of one picture."""
    longest = min(LONGEST, 2 * max(explained.picture.size))
    methods = []
    for e in explained.explanations:
        pattern = draw_pattern(e.heat)
        below = draw_map(e.heat, legend=False, longest=longest) if pattern is None else pattern
        over = draw_heatmap(e.heat, explained.picture, longest=longest)
        what = "the map alone" if pattern is None else "the signed pattern of each color"
        methods.append(
            {"title": e.title, "layer": e.heat.layer, "over": keep(over), "below": keep(below), "what": what}
        )
    flagged = [
        e.title for e in explained.explanations if e.randomisation is not None and e.randomisation.unchanged
    ]
    columns = columns_of(explained)
    return {
        "name": name,
        "target": explained.target,
        "answers": explained.answers,
        "photograph": keep(explained.picture),
        "methods": methods,
        "columns": [(measures.title(column), GLOSSES.get(column, "")) for column in columns],
        "rows": table_of(explained) if columns else [],
        "charts": charts_of(explained),
        "remarks": [f"{title} {FLAG}." for title in flagged],
    }


def _best(name: str, values: Sequence[float]) -> set[int]:
    """Which of several values are the best; none where all are alike."""
    finite = [value for value in values if isfinite(value)]
    if len(finite) < 2 or min(finite) == max(finite):
        return set()
    wanted = min(finite) if name in LOW else max(finite)
    return {index for index, value in enumerate(values) if value == wanted}


def _cell(name: str, value: float, *, strong: bool) -> tables.Cell:
    if not isfinite(value):
        return tables.Cell(text="–", hint="not measured")
    if name == "pointing":
        return tables.Cell(text="hit" if value else "miss", strong=strong)
    if name == "seconds":
        return tables.Cell(text=f"{value:.2f} s", strong=strong)
    return tables.Cell(text=measures.number(value), share=value if 0 <= value <= 1 else 0.0, strong=strong)
