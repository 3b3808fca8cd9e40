"""Line charts as inline SVG: their colors are the page's, so they follow light and dark; text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44
COLORS = 8
"""Series colors that the page's style sheet defines."""
POINTS = 400
"""Most points of a line; longer ones are averaged."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One line of a chart.

    Args:
        name: for the legend.
        x: rising values.
        y: as many; a gap where one is not finite.
        color: number of the series color.
        faint: drawn pale, behind the others and without an entry in the legend.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: int = 0
    faint: bool = False


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_range: tuple[float, float] | None = None,
    x_range: tuple[float, float] | None = None,
) -> Markup:
    """A chart with its legend, as a `<figure>`; empty where no line has a finite value.

    Args:
        lines: what is drawn, in this order.
        title: above it, and what a screen reader says first.
        x_label: below it.
        y_range: lowest and highest value; None: from zero or the lowest value to what all but spikes need.
        x_range: the same for x; None: all of it.
    """
    shown = [line for line in lines if any(isfinite(value) for value in line.y)]
    if not shown:
        return Markup("")
    x_low, x_high = x_range or _range([value for line in shown for value in line.x])
    y_low, y_high = y_range or _spread([v for line in shown for v in line.y if isfinite(v)])
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = []
    for value in ticks(y_low, y_high):
        y = TOP + tall * (1 - (value - y_low) / (y_high - y_low))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    for value in ticks(x_low, x_high):
        x = LEFT + wide * (value - x_low) / (x_high - x_low)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:.6g}</text>')
    parts.append(
        f'<text class="axis" x="{LEFT + wide / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    parts.append(f'<svg x="{LEFT}" y="{TOP - 2}" width="{wide + 4}" height="{tall + 4}">')
    for line in sorted(shown, key=lambda entry: not entry.faint):
        points = [
            (wide * (x - x_low) / (x_high - x_low), 2 + tall * (1 - (y - y_low) / (y_high - y_low)))
            for x, y in zip(*thinned(line.x, line.y), strict=True)
        ]
        parts.append(_path(points, line))
    parts.append("</svg>")
    return Markup(
        f'<figure class="chart"><figcaption>{escape(title)}{_legend(title, shown)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_spoken(title, shown))}">'
        f"{''.join(parts)}</svg></figure>"
    )


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round values within a range."""
    rough = (high - low) / 5
    power = 10 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = -floor(-low / step + 1e-9)
    count = floor((high - low) / step + 1e-6) + 2
    values = [round((first + index) * step, 12) for index in range(count)]
    return [value for value in values if low - 1e-9 * step <= value <= high + 1e-6 * step]


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most `POINTS` points: means of equally many neighbours, a gap where none of them is finite."""
    bunch = -(-len(x) // POINTS)
    xs, ys = [], []
    for start in range(0, len(x), bunch):
        finite = [v for v in y[start : start + bunch] if isfinite(v)]
        near = x[start : start + bunch]
        xs.append(sum(near) / len(near))
        ys.append(sum(finite) / len(finite) if finite else float("nan"))
    return xs, ys


def smoothed(y: Sequence[float], *, share: float = 0.05) -> list[float]:
    """A running mean over the last few per cent of the values; what is not finite does not count."""
    span = max(1, round(len(y) * share))
    smooth = []
    for index in range(len(y)):
        near = [v for v in y[max(0, index - span + 1) : index + 1] if isfinite(v)]
        smooth.append(sum(near) / len(near) if near else float("nan"))
    return smooth


def _path(points: Sequence[tuple[float, float]], line: Line) -> str:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if isfinite(y):
            pieces[-1].append((x, y))
        elif pieces[-1]:
            pieces.append([])
    drawn = []
    kind = f"s{line.color % COLORS}{' faint' if line.faint else ''}"
    for piece in filter(None, pieces):
        if len(piece) == 1:
            drawn.append(
                f'<circle class="dot {kind}" cx="{piece[0][0]:.1f}" cy="{piece[0][1]:.1f}" r="3.5"/>'
            )
        else:
            steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in piece)
            drawn.append(f'<path class="line {kind}" d="M{steps}"><title>{escape(line.name)}</title></path>')
            if len(piece) <= 30 and not line.faint:
                drawn += [f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>' for x, y in piece]
    return "".join(drawn)


def _legend(title: str, lines: Sequence[Line]) -> str:
    named = [line for line in lines if not line.faint]
    if len(named) == 1 and named[0].name.lower() == title.lower():
        return ""
    entries = (f'<span><i class="s{line.color % COLORS}"></i>{escape(line.name)}</span>' for line in named)
    return f'<span class="legend">{"".join(entries)}</span>'


def _spoken(title: str, lines: Sequence[Line]) -> str:
    phrases = []
    for line in lines:
        finite = [value for value in line.y if isfinite(value)]
        if not line.faint:
            phrases.append(f"{line.name} from {finite[0]:.3g} to {finite[-1]:.3g}")
    return f"{title}: {'; '.join(phrases)}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    low = 0.0 if 0 < low < 0.15 * high else low
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """From zero, or from the lowest value below it, to what 98 of 100 values need, and a little air."""
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, round(0.98 * len(ordered)))]
    low = min(0.0, ordered[0])
    return low, high + 0.06 * (high - low) if high > low else low + 1.0
