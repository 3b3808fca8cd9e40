"""Several runs on one page: what differs in their settings, what they reached, the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocellus.errors import OcellusError
from ocellus.report import curves, measures, page, tables
from ocellus.report.evaluation import Example
from ocellus.report.folder import Run, read_run
from ocellus.report.run import headline
from ocellus.values import Picture

MOST_PICTURES = 12
"""Pictures shown side by side."""


def write_comparison(folders: Sequence[Path | str], out: Path | str) -> Path:
    """Write one HTML page that compares runs.

    Args:
        folders: of the runs, two or more; their order is the page's.
        out: the page to write; a folder: comparison.html in it.

    Returns:
        The page's path.

    Raises:
        OcellusError: fewer than two folders, one that is not there, or a place that cannot be written to.
    """
    if len(folders) < 2:
        raise OcellusError(f"{len(folders)} run to compare; name two folders or more", exit_code=2)
    runs = [read_run(Path(folder)) for folder in folders]
    for run in runs:
        if not (run.settings or run.history or run.evaluation or run.header):
            raise OcellusError(f"{run.folder} holds no run: no run.toml, no metrics.jsonl, no weights")
    path = Path(out)
    path = path / "comparison.html" if path.is_dir() or not path.suffix else path
    return page.write_page(path, page.render("compare.html", _values(runs)))


def run_names(runs: Sequence[Run]) -> list[str]:
    """The folders' names, with as many folders above them as it takes to tell them apart."""
    paths = [run.folder.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {path}" for number, path in enumerate(paths, 1)]


def metric_rows(runs: Sequence[Run]) -> list[tuple[str, list[tables.Cell]]]:
    """A row for each figure that a run has, the best value marked."""
    figures = [measures.overall(run.metrics()) for run in runs]
    names = dict.fromkeys(name for run in figures for name in run)
    rows = []
    for name in measures.overall(dict.fromkeys(names, 0.0)):
        values = [run.get(name) for run in figures]
        marked = measures.best(name, values)
        rows.append((name, [_cell(value, best=index in marked) for index, value in enumerate(values)]))
    return rows


def class_rows(runs: Sequence[Run]) -> tuple[str, list[tuple[str, list[tables.Cell]]]]:
    """The most telling figure of each class, run by run: its title and the rows."""
    found = [measures.per_class(run.metrics()) for run in runs]
    columns = list(dict.fromkeys(column for names, _ in found for column in names))
    if not columns:
        return "", []
    column = next(
        (name for name in ("mask/AP", "box/AP", "keypoint/AP", "IoU") if name in columns), columns[0]
    )
    rows = []
    for name in dict.fromkeys(name for _, rows_of in found for name in rows_of):
        values = [rows_of.get(name, {}).get(column) for _, rows_of in found]
        marked = measures.best(column, values)
        rows.append((name, [_cell(value, best=index in marked) for index, value in enumerate(values)]))
    return measures.title(column), rows


def shared_pictures(runs: Sequence[Run]) -> list[tuple[str, Picture | None, list[Example | None]]]:
    """(name, ground truth, each run's answer) of pictures that two or more runs show, the commonest first."""
    by_run = [
        {example.name: example for example in run.evaluation.examples} if run.evaluation else {}
        for run in runs
    ]
    names = dict.fromkeys(name for shown in by_run for name in shown)
    counts = {name: sum(name in shown for shown in by_run) for name in names}
    chosen = sorted((name for name in names if counts[name] > 1), key=lambda name: -counts[name])
    rows = []
    for name in chosen[:MOST_PICTURES]:
        answers = [shown.get(name) for shown in by_run]
        truth = next((answer.truth for answer in answers if answer and answer.truth is not None), None)
        rows.append((name, truth, answers))
    return rows


def _values(runs: Sequence[Run]) -> dict[str, Any]:
    names = run_names(runs)
    pictures = shared_pictures(runs)
    shown = [picture for _, picture, _ in pictures if picture is not None]
    shown += [answer.prediction for _, _, answers in pictures for answer in answers if answer is not None]
    class_title, classes = class_rows(runs)
    return {
        "title": f"{len(runs)} runs side by side",
        "runs": list(zip(names, runs, [headline(run) for run in runs], strict=True)),
        "differing": tables.differing([run.settings for run in runs]),
        "without_settings": [name for name, run in zip(names, runs, strict=True) if not run.settings],
        "metrics": metric_rows(runs),
        "gloss": measures.gloss,
        "class_title": class_title,
        "classes": classes,
        "charts": curves.overlaid(runs, names),
        "pictures": pictures,
        "uri": page.Pictures(shown),
    }


def _cell(value: float | None, *, best: bool) -> tables.Cell:
    if value is None:
        return tables.Cell(text="–", hint="this run has no such figure")
    share = value if 0 <= value <= 1 else 0.0
    return tables.Cell(text=measures.number(value), share=share, strong=best)
