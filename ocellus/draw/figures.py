"""How figures made with matplotlib look here, in pages, docs and benchmarks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ocellus.draw import fonts

SERIES = ("#2f6fde", "#e8590c", "#2b9348", "#ae3ec9", "#c9184a", "#0b8a9c", "#b08900", "#5f6b7a")
"""Line colors on paper, told apart with the common color blindnesses by their lightness too."""


def style(text: str = "") -> dict[str, Any]:
    """Settings for matplotlib: light grid, no box, our colors, letters that stay letters in SVG.

    Args:
        text: what will be written; fonts that have its characters are added to the family.
    """
    from cycler import cycler
    from matplotlib import font_manager

    families = ["DejaVu Sans"]
    for _, path in fonts.runs(text):
        if path != fonts.default_font():
            font_manager.fontManager.addfont(str(path))
            families.append(font_manager.FontProperties(fname=str(path)).get_name())
    quiet, ink = "#d9dce1", "#23272e"
    return {
        "font.family": list(dict.fromkeys(families)),
        "font.size": 10,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titleweight": "bold",
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.edgecolor": quiet,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=SERIES),
        "grid.color": quiet,
        "grid.linewidth": 0.7,
        "xtick.color": ink,
        "ytick.color": ink,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "figure.figsize": (6.4, 3.6),
        "figure.dpi": 130,
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "white",
        "svg.fonttype": "none",
        "svg.hashsalt": "ocellus",
    }


@contextmanager
def figure_style(text: str = "") -> Iterator[None]:
    """Within it, matplotlib draws in our style: `with figure_style(): figure = Figure(); ...`."""
    import matplotlib

    settings: Any = style(text)
    with matplotlib.rc_context(settings):
        yield


def figure_svg(figure: Any) -> str:
    """A matplotlib figure as one `<svg>` element to put into a page; without metadata or rules of its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    foreign = r"<metadata>.*?</metadata>|<defs>\s*<style[^>]*>.*?</style>\s*</defs>"
    text = re.sub(foreign, "", text, flags=re.DOTALL)
    return text[text.index("<svg") :]
