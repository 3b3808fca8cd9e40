"""Measure a model on a data set: every picture is matched as it is answered, nothing is kept but figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ocellus.data.check import check
from ocellus.data.check.report import viewed
from ocellus.data.dataset import Dataset, Record
from ocellus.data.splits import WHOLE
from ocellus.errors import OcellusError
from ocellus.jobs.kinds import dataset_for, kind_of
from ocellus.jobs.model import Model, check_score, load
from ocellus.report.evaluation import Evaluation
from ocellus.report.run import write_report

SPOILED = ("pair-odd", "pair-size")
"""Findings with which figures of made pictures would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What an evaluation gave.

    Args:
        found: figures, curves, confusion matrix and pictures, as the report shows them.
        report: the page, where a folder was given.
    """

    found: Evaluation
    report: Path | None

    @property
    def metrics(self) -> dict[str, float]:
        """Figures by name, "mask/AP50"; nan where there is nothing to measure."""
        return dict(self.found.metrics)


def evaluate(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str = "val",
    out: str | Path | None = None,
    score: float = 0.5,
    limit: int = 0,
    boundaries: bool = False,
    cells: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Evaluated:
    """Measure a model on a split of a data set.

    Args:
        model: a Model, or what `ocellus.load` takes.
        data: a data set, or what `ocellus.read` takes.
        split: "val", "train", another that the data set has, or "all": every picture.
        out: folder for the report; None: no report.
        score: from which a detection is drawn and counted in the confusion matrix. Average precision does not
            depend on it, and where every pixel has a class nothing does.
        limit: only so many pictures; 0: all.
        boundaries: of classes of pixels, measure boundary IoU too.
        cells: of classes of pixels, the class that membranes part into cells: measure the Rand score too.
        say: is told what a user should know, and how far it is.

    Raises:
        OcellusError: no such model, data set or split; the model's classes are not those of the data; pairs
            that are none.
    """
    check_score(score)
    ready = model if isinstance(model, Model) else load(model)
    ready.refuse_part()
    config = getattr(ready.network, "config", None)
    dataset = dataset_for(data, ready.header.system, config=config)
    records = chosen(dataset, split, limit=limit)
    folder = claimed(Path(out)) if out is not None else None
    kind = kind_of(ready.header.system)
    if lost := sum(finding.severity == "refuse" for finding in dataset.findings):
        look = f"`ocellus check {dataset.root}{viewed(dataset.view)}`"
        say(f"left out of {dataset.root}: {lost}; {look} tells more")
    if kind.generates and not isinstance(data, Dataset):
        looked = check(dataset)
        replace(looked, findings=tuple(one for one in looked.findings if one.kind in SPOILED)).require()
    start = time.perf_counter()
    if kind.generates:
        found = kind.measure().measured(
            ready, dataset, records, split=split, boundaries=boundaries, cells=cells, say=say
        )
    else:
        measure = kind.measure().Measure(
            ready, dataset, records, score=score, boundaries=boundaries, cells=cells, say=say
        )
        for number, record in enumerate(records):
            measure.add(record)
            if number % 25 == 24:
                say(f"{number + 1} of {len(records)} pictures, {time.perf_counter() - start:.0f} s")
        found = measure.evaluation()
    evaluation = replace(
        found,
        data=dataset.root.resolve().name,
        split=split,
        pictures=len(records),
        seconds=time.perf_counter() - start,
        model=Path(ready.source).name,
    )
    report = write_report(folder, evaluation=evaluation) if folder is not None else None
    return Evaluated(found=evaluation, report=report)


def chosen(dataset: Dataset, split: str, *, limit: int) -> tuple[Record, ...]:
    """The pictures of a split, or so many of them; where each has one class, from its whole length.

    Raises:
        OcellusError: the data set has no such split, or nothing in it.
    """
    if limit < 0:
        raise OcellusError(f"--limit {limit} makes no sense: it takes 0 (all) or more", exit_code=2)
    records = dataset.splits.get(split, ())
    if split == WHOLE and not records:
        records = tuple(record for _, record in dataset.records())
    if not records:
        there = ", ".join(f"{name} ({len(part)} pictures)" for name, part in dataset.splits.items())
        raise OcellusError(f"{dataset.root} has no pictures to evaluate on as {split!r}; it has {there}")
    if not limit or limit >= len(records):
        return records
    if dataset.view in ("labels", "domains"):  # they come class by class; some of each are wanted
        return tuple(records[index * len(records) // limit] for index in range(limit))
    return records[:limit]


def claimed(folder: Path) -> Path:
    """A folder for a report; a run's own folder may have one beside what it holds.

    Raises:
        OcellusError: it holds something that is no run, or cannot be made.
    """
    known = {"run.toml", "best.safetensors", "evaluation", "report.html"}
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.is_file() or (held and not known & held):
        raise OcellusError(f"{folder} is there and is no run: give a new or empty folder", exit_code=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OcellusError(f"{folder} cannot be made: {error.strerror}") from error
    return folder
