"""The page of one run or evaluation: what the model is, how it learned, what it finds and what it misses."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.report import curves, generation, measures, page, samples, tables
from ocellus.report import evaluation as evaluations
from ocellus.report.evaluation import Evaluation, Example, Photograph
from ocellus.report.folder import Run, read_run
from ocellus.values import Picture

MOST_CLASSES = 60
"""Class names shown as chips; more are counted."""

SHEET = "sheet"
"""Why an example is shown that is a whole sheet of what a network makes."""

GROUPS = (
    ("best", "Where it does best"),
    ("worst", "Where it does worst"),
    ("sample", "Chosen by name alone"),
)


def write_report(
    folder: Path | str, *, evaluation: Evaluation | None = None, photographs: Sequence[Photograph] = ()
) -> Path:
    """Write report.html of a run's folder: one file, nothing fetched, no script.

    What is missing is said in a sentence: a run without validation, without weights or without evaluation has
    a page too.

    Args:
        folder: of a run or an evaluation.
        evaluation: what an evaluation found; it is kept in the folder. None: the one kept there.
        photographs: more pictures to show.

    Returns:
        The page's path.

    Raises:
        OcellusError: no such folder, a broken run.toml, or a folder that cannot be written to.
    """
    folder = Path(folder)
    if evaluation is not None:
        evaluations.save(evaluation, folder)
    run = read_run(folder, evaluation=evaluation)
    return page.write_page(folder / "report.html", page.render("run.html", _values(run, photographs)))


def system_of(run: Run) -> catalog.Card | None:
    """The card of the system that a run trained or evaluated, where it is known."""
    name = run.header.system if run.header else str(run.settings.get("run", {}).get("system", ""))
    try:
        return catalog.card(name) if name else None
    except OcellusError:
        return None


def generates(run: Run) -> bool:
    """Whether the system makes pictures: it takes nothing for anything then."""
    card = system_of(run)
    return card is not None and card.value == "Picture"


def headline(run: Run) -> str:
    """ "Mask R-CNN on nuclei", as far as it is known."""
    card = system_of(run)
    data = run.evaluation.data if run.evaluation and run.evaluation.data else ""
    data = data or str(run.settings.get("run", {}).get("data", ""))
    place = Path(data).stem if data else ""
    return f"{card.title if card else 'A run'}{f' on {place}' if place else f' in {run.name}'}"


def _values(run: Run, photographs: Sequence[Photograph]) -> dict[str, Any]:
    """Everything that the template asks for."""
    found = run.evaluation
    examples = found.examples if found else ()
    metrics = run.metrics()
    labels = list(run.header.labels) if run.header else []
    if not labels and found and found.confusion:
        labels = list(found.confusion.names)
    overall_columns, overall = tables.overall_rows(metrics)
    colors = run.header.colors if run.header and run.header.colors else found.colors if found else ()
    columns, classes = tables.class_rows(
        metrics, labels, colors=colors, reasons=found.reasons if found else None
    )
    large, small = curves.main_charts(run), curves.minor_charts(run)
    if generates(run):
        large, small = generation.charts(run)
    chart, remark = curves.precision_chart(found.curves if found else ())
    strips = samples.strips(run.folder)
    sheets = [example for example in examples if example.why == SHEET]
    return {
        "title": headline(run),
        "lead": _lead(run, labels),
        "run": run,
        "card": system_of(run),
        "labels": [
            (name, tables.css_color(label, colors)) for label, name in enumerate(labels[:MOST_CLASSES])
        ],
        "more_labels": max(0, len(labels) - MOST_CLASSES),
        "tiles": _tiles(run, metrics),
        "overall_columns": overall_columns,
        "overall": overall,
        "photographs": photographs,
        "uri": page.Pictures(_pictures(photographs, strips, examples)),
        "charts": large,
        "minor_charts": small,
        "columns": columns,
        "classes": classes,
        "precision": chart,
        "precision_remark": remark,
        "confusion": found.confusion if found else None,
        "confusion_rows": _confusion_rows(found, colors),
        "confused_pairs": tables.confused_pairs(found.confusion) if found and found.confusion else [],
        "groups": _groups(examples),
        "sheets": sheets,
        "strips": strips,
        "generates": generates(run),
        "of_pixels": bool(found and found.confusion and found.confusion.of_pixels),
        "of_pictures": bool(found and found.confusion and found.confusion.unit == "pictures"),
        "settings": {
            section: [(name, tables.plain(value)) for name, value in values.items()]
            for section, values in run.settings.items()
        },
        "environment": tables.environment(),
        "megabytes": run.weights.stat().st_size / 1e6 if run.weights.is_file() else 0.0,
    }


def _pictures(
    photographs: Sequence[Photograph], strips: Sequence[samples.Strip], examples: Sequence[Example]
) -> list[Picture]:
    """Every picture of the page."""
    shown = [photograph.picture for photograph in photographs]
    shown += [frame.picture for strip in strips for frame in strip.frames]
    parts = [part for one in examples for part in (one.truth, one.prediction, one.mistakes)]
    return shown + [part for part in parts if part is not None]


def _lead(run: Run, labels: Sequence[str]) -> str:
    """One sentence under the title."""
    steps = run.last_step()
    parts = []
    if steps:
        parts.append(f"Trained for {steps:,} steps")
    if labels:
        names = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
        parts.append(f"{'knows' if parts else 'Knows'} {names}")
    found = run.evaluation
    if found and found.pictures:
        where = f" of the {found.split} split" if found.split else ""
        parts.append(f"{'measured' if parts else 'Measured'} on {found.pictures:,} pictures{where}")
    return "; ".join(parts) + "." if parts else "Nothing has been recorded here yet."


def _tiles(run: Run, metrics: dict[str, float]) -> list[tuple[str, str, str]]:
    """(figure, title, what it says) of the figures at the top of the page."""
    names = [name for name in measures.HEADLINES if isfinite(metrics.get(name, float("nan")))][:4]
    tiles = [(measures.number(metrics[name]), measures.title(name), measures.gloss(name)) for name in names]
    found = run.evaluation
    if found and found.seconds > 0 and found.pictures:
        each = found.seconds / found.pictures
        text = f"{each * 1000:.0f} ms" if each < 1 else f"{each:.1f} s"
        what = "making and measuring" if generates(run) else "reading, finding and matching"
        tiles.append((text, "a picture", f"{what}, on the machine of the evaluation"))
    if steps := run.last_step():
        tiles.append((f"{steps:,}", "steps", "of the optimizer"))
    return tiles


def _confusion_rows(found: Evaluation | None, colors: Sequence[tables.Color]) -> list[tables.Row]:
    if found is None or found.confusion is None or len(found.confusion.names) > tables.LARGEST_MATRIX:
        return []
    return tables.confusion_rows(found.confusion, colors=colors)


def _groups(examples: Sequence[Example]) -> list[tuple[str, list[Example]]]:
    groups = [(text, [example for example in examples if example.why == why]) for why, text in GROUPS]
    return [(text, chosen) for text, chosen in groups if chosen]
