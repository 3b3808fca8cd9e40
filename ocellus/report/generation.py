"""The charts of a run that learns to make pictures: each figure has its own scale, and its own chart."""

from __future__ import annotations

from markupsafe import Markup

from ocellus.report.charts import Line, line_chart, smoothed
from ocellus.report.folder import Run, Series
from ocellus.report.measures import PICTURE_GLOSSES, title

UNSAID = ("seconds", "pictures", "images_per_second", "epoch")
"""What is recorded and says nothing of how well it learns."""

TOGETHER = {
    "gradient_norm": "Length of the gradient",
    "gradient": "Length of the gradient",
    "right_on_real": "How often the discriminator is right",
    "right_on_fake": "How often the discriminator is right",
}
"""Figures of the training that share a chart, by the first word of their names."""

MANY = 20
"""Points of a line above which its running mean is drawn over it."""

FIRST = 2
"""Charts of the validation that are drawn large."""


def charts(run: Run) -> tuple[list[Markup], list[Markup]]:
    """The large charts and the small ones."""
    known = list(PICTURE_GLOSSES)
    measured = families(run, "val")
    order = sorted(measured, key=lambda name: known.index(name) if name in known else len(known))
    validation = [chart(f"{title(name)}, validation", measured[name], smooth=False) for name in order]
    learned = [chart(name, lines, smooth=True) for name, lines in families(run, "train").items()]
    return [one for one in validation[:FIRST] if one], [one for one in validation[FIRST:] + learned if one]


def families(run: Run, split: str) -> dict[str, dict[str, Series]]:
    """What was recorded of a split: title of a chart -> name of a line -> series.

    "swd/a" and "swd/b" are drawn with "swd".
    """
    found: dict[str, dict[str, Series]] = {}
    for (part, name), series in run.history.items():
        head = name.split("/")[0]
        if part != split or head in UNSAID:
            continue
        own = TOGETHER.get(head, title(name).capitalize()) if split == "train" else head.removesuffix("_low")
        found.setdefault(own.removesuffix("_high"), {})[name] = series
    return found


def chart(heading: str, series: dict[str, Series], *, smooth: bool) -> Markup:
    """One chart of some lines; long ones pale, with their running mean over them."""
    lines = []
    for color, (name, (x, y)) in enumerate(series.items()):
        many = smooth and len(y) > MANY
        label = name.replace("_", " ")
        lines.append(Line(name=label, x=x, y=y, color=color, faint=many))
        if many:
            lines.append(Line(name=label, x=x, y=smoothed(y), color=color))
    return line_chart(lines, title=heading, x_label="step")
