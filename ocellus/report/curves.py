"""The charts of a run: losses, validation, learning rate, and precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from markupsafe import Markup

from ocellus.report.charts import Line, line_chart, smoothed
from ocellus.report.evaluation import Curve
from ocellus.report.folder import Run, Series
from ocellus.report.measures import HEADLINES, KINDS, overall, title

MOST_LINES = 7
"""More lines cannot be told apart."""


def main_charts(run: Run) -> list[Markup]:
    """Loss and validation, as far as they were recorded."""
    total, _, _ = _sorted_out(run)
    charts = [line_chart(_with_raw(total), title="Loss", x_label="step"), validation_chart(run)]
    return [chart for chart in charts if chart]


def minor_charts(run: Run) -> list[Markup]:
    """The terms of the loss, the learning rate and what else was recorded while training."""
    _, terms, rest = _sorted_out(run)
    lines = [_line(title(name), series, color) for color, (name, series) in enumerate(terms.items())]
    charts = [line_chart(lines, title="Terms of the loss", x_label="step")]
    charts += [
        line_chart(
            [Line(name=title(name), x=x, y=y, color=5)], title=title(name).capitalize(), x_label="step"
        )
        for name, (x, y) in rest.items()
    ]
    return [chart for chart in charts if chart]


def validation_chart(run: Run) -> Markup:
    """The validation's figures over steps."""
    recorded = {name: series for (split, name), series in run.history.items() if split == "val"}
    figures = list(overall(dict.fromkeys(recorded, 0.0)))
    whole = [name for name in figures if name.partition("/")[0] in KINDS]
    wanted = [name for name in HEADLINES if name in figures] or whole or figures
    lines = [
        Line(name=title(name), x=recorded[name][0], y=recorded[name][1], color=color)
        for color, name in enumerate([name for name in wanted if "loss" not in name][:MOST_LINES])
    ]
    top = max((value for line in lines for value in line.y if isfinite(value)), default=1.0)
    return line_chart(
        lines, title="Validation", x_label="step", y_range=(0.0, 1.0) if 0.4 < top <= 1 else None
    )


def precision_chart(curves: Sequence[Curve]) -> tuple[Markup, str]:
    """Precision over recall, and a sentence where not every class is drawn."""
    drawn = list(curves[:MOST_LINES])
    remark = ""
    if len(curves) > MOST_LINES:
        rest = sorted(curves[1:], key=lambda curve: _area(curve))
        drawn = [curves[0], *rest[: (MOST_LINES - 1) // 2], *rest[-(MOST_LINES // 2) :]]
        remark = f"{len(drawn) - 1} of {len(curves) - 1} classes are drawn, the hardest and the easiest."
    lines = [
        Line(name=curve.name, x=curve.recall, y=curve.precision, color=color)
        for color, curve in enumerate(drawn)
        if len(curve.recall)
    ]
    chart = line_chart(
        lines, title="Precision over recall", x_label="recall", y_range=(0.0, 1.02), x_range=(0.0, 1.0)
    )
    return chart, remark


def overlaid(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """One chart a figure, one line a run."""
    keys = list(dict.fromkeys(key for run in runs for key in run.history))
    finals = [name for name in HEADLINES if ("val", name) in keys][:3]
    wanted = [key for key in keys if key[0] == "train" and key[1] in ("loss", "loss/total", "total")]
    wanted += [("val", name) for name in finals] or [key for key in keys if key[0] == "val"][:4]
    charts = []
    for split, name in wanted:
        lines = [
            _line(label, run.history[split, name], color, smooth=split == "train")
            for color, (run, label) in enumerate(zip(runs, names, strict=True))
            if (split, name) in run.history
        ]
        heading = f"{title(name)}, validation" if split == "val" else title(name).capitalize()
        charts.append(line_chart(lines, title=heading, x_label="step"))
    return [chart for chart in charts if chart]


def _sorted_out(run: Run) -> tuple[dict[str, Series], dict[str, Series], dict[str, Series]]:
    """Total losses by a name for the legend, loss terms, and what else was recorded while training."""
    total: dict[str, Series] = {}
    terms: dict[str, Series] = {}
    rest: dict[str, Series] = {}
    for (split, name), series in run.history.items():
        if name in ("loss", "loss/total", "total"):
            total["training" if split == "train" else "validation"] = series
        elif split == "train" and "loss" in name and len(terms) < MOST_LINES:
            terms[name] = series
        elif split == "train" and name.partition("/")[0] not in KINDS and "loss" not in name:
            rest[name] = series
    return total, terms, dict(list(rest.items())[:3])


def _with_raw(total: dict[str, Series]) -> list[Line]:
    lines = []
    for color, (name, (x, y)) in enumerate(total.items()):
        lines.append(Line(name=name, x=x, y=y, color=color, faint=len(y) > 20))
        if len(y) > 20:
            lines.append(Line(name=name, x=x, y=smoothed(y), color=color))
    return lines


def _line(name: str, series: Series, color: int, *, smooth: bool = True) -> Line:
    x, y = series
    return Line(name=name, x=x, y=smoothed(y) if smooth and len(y) > 20 else y, color=color)


def _area(curve: Curve) -> float:
    steps = zip(curve.recall, curve.recall[1:], curve.precision[1:], strict=False)
    return sum((right - left) * height for left, right, height in steps)
