"""Measure a model on a data set: every picture is matched as it is answered, nothing is kept but figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from ocellus.data.dataset import Dataset, Record
from ocellus.data.instances import instances, pictured
from ocellus.data.read import read
from ocellus.errors import OcellusError
from ocellus.jobs.model import Model, check_score, load
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.metrics.confusion import ConfusionMatrix
from ocellus.metrics.detections import PREFIX, Kind
from ocellus.metrics.oks import sigmas_of
from ocellus.report.evaluation import Confusion, Curve, Evaluation
from ocellus.report.gallery import Gallery
from ocellus.report.run import write_report
from ocellus.values import Instances

OVERLAP = 0.5
"""Intersection over union from which a detection counts as of an object, in matrix and captions."""


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
    say: Callable[[str], None] = lambda line: None,
) -> Evaluated:
    """Measure a detector on a split of a data set.

    Args:
        model: a Model, or what `ocellus.load` takes.
        data: a data set, or what `ocellus.read` takes.
        split: "val", "train", or another that the data set has.
        out: folder for the report; None: no report.
        score: from which a detection is drawn and counted in the confusion matrix. Average precision does not
            depend on it.
        limit: only so many pictures; 0: all.
        say: is told what a user should know, and how far it is.

    Raises:
        OcellusError: no such model, data set or split; the model's classes are not those of the data.
    """
    check_score(score)
    ready = model if isinstance(model, Model) else load(model)
    dataset = data if isinstance(data, Dataset) else read(data)
    records = chosen(dataset, split, limit=limit)
    folder = claimed(Path(out)) if out is not None else None
    labels = class_map(ready, dataset, say=say)
    if lost := sum(finding.severity == "refuse" for finding in dataset.findings):
        say(f"{lost} things in {dataset.root} are left out: `ocellus check {dataset.root}` lists them")
    kinds = kinds_of(ready, dataset, records)
    sigmas: tuple[float, ...] = ()
    if "keypoints" in kinds and dataset.skeleton is not None:
        sigmas = sigmas_of(dataset.skeleton, (instances(record, dataset) for record in records))
    precision = AveragePrecision(dataset.labels.names, kinds=kinds, sigmas=sigmas)
    kind: Literal["boxes", "masks"] = "masks" if "masks" in kinds else "boxes"
    confusion = ConfusionMatrix(dataset.labels.names, kind=kind, overlap=OVERLAP, score=score)
    gallery = Gallery(score_threshold=score)
    start = time.perf_counter()
    for number, record in enumerate(records):
        truth = pictured(record, dataset)
        picture = truth.picture
        assert picture is not None
        found = relabelled(ready(picture), labels, dataset)
        precision.add(found, truth, picture=number)
        one = ConfusionMatrix(dataset.labels.names, kind=kind, overlap=OVERLAP, score=score)
        one.add(found, truth)
        confusion.merge(one)
        quality, note = verdict(one)
        gallery.add(record.name, quality, picture=picture, prediction=found, truth=truth, note=note)
        if number % 25 == 24:
            say(f"{number + 1} of {len(records)} pictures, {time.perf_counter() - start:.0f} s")
    counts = tuple(tuple(int(count) for count in row) for row in confusion.matrix().tolist())
    evaluation = Evaluation(
        metrics=precision.result() | confusion.result(),
        data=dataset.root.resolve().name,
        split=split,
        pictures=len(records),
        seconds=time.perf_counter() - start,
        model=Path(ready.source).name,
        curves=curves_of(precision, kind),
        confusion=Confusion(
            names=dataset.labels.names,
            counts=counts,
            rule=f"{kind} overlap by {OVERLAP:g} or more, score {score:g} or more",
        ),
        examples=gallery.examples(),
    )
    report = write_report(folder, evaluation=evaluation) if folder is not None else None
    return Evaluated(found=evaluation, report=report)


def chosen(dataset: Dataset, split: str, *, limit: int) -> tuple[Record, ...]:
    """The pictures of a split.

    Raises:
        OcellusError: the data set has no such split, or nothing in it.
    """
    if limit < 0:
        raise OcellusError(f"--limit {limit} makes no sense: it takes 0 (all) or more", exit_code=2)
    records = dataset.splits.get(split, ())
    if not records:
        there = ", ".join(f"{name} ({len(part)} pictures)" for name, part in dataset.splits.items())
        raise OcellusError(f"{dataset.root} has no pictures to evaluate on as {split!r}; it has {there}")
    return records[:limit] if limit else records


def kinds_of(model: Model, dataset: Dataset, records: tuple[Record, ...]) -> list[Kind]:
    """What can be measured: what the model says and the annotations hold."""
    config = model.header.settings()
    annotated = [entry for record in records for entry in record.annotations]
    kinds: list[Kind] = ["boxes"]
    if getattr(config, "mask_branch", False) and any(
        entry.rings or entry.counts is not None for entry in annotated
    ):
        kinds.append("masks")
    if getattr(config, "keypoints", 0) and dataset.skeleton is not None:
        kinds.append("keypoints")
    return kinds


def class_map(model: Model, dataset: Dataset, *, say: Callable[[str], None]) -> torch.Tensor:
    """(C,) the data set's label for each of the model's, by name; -1 where the data set has no such class.

    Raises:
        OcellusError: the data set has classes that the model does not know.
    """
    known, wanted = model.header.labels, dataset.labels.names
    if unknown := [name for name in wanted if name not in known]:
        raise OcellusError(
            f"{model.source} does not know {', '.join(unknown[:5])} ({len(unknown)} of the {len(wanted)} "
            f"classes of {dataset.root}); it knows {', '.join(known[:12])}. Train it on this data, or rename "
            "the classes"
        )
    if extra := [name for name in known if name not in wanted]:
        say(f"{len(extra)} classes of the model are not in the data and are left out: {', '.join(extra[:8])}")
    return torch.tensor([wanted.index(name) if name in wanted else -1 for name in known])


def relabelled(found: Instances, labels: torch.Tensor, dataset: Dataset) -> Instances:
    """Predictions with the data set's labels; those of other classes left out."""
    there = labels[found.labels]
    return replace(found, labels=there, names=dataset.labels.names)[there >= 0]


def verdict(one: ConfusionMatrix) -> tuple[float, str]:
    """How well one picture went, 0 to 1 (F1 of objects found with their class), and it in words."""
    counts = one.matrix()
    right = int(counts.diagonal()[:-1].sum())
    found, truths = int(counts[:, :-1].sum()), int(counts[:-1].sum())
    note = f"{right} of {truths} found" + (f", {found - right} false" if found > right else "")
    return (2 * right / (found + truths) if found + truths else float("nan")), note


def curves_of(precision: AveragePrecision, kind: Kind) -> tuple[Curve, ...]:
    """Precision over recall at an overlap of 0.5: all classes, then each that has objects."""
    found = []
    for curve in precision.curves():
        if (
            curve.kind == PREFIX[kind]
            and curve.overlap == f"{OVERLAP:.2f}"
            and not curve.precision.isnan().any()
        ):
            rates = tuple(curve.recall.tolist()), tuple(curve.precision.tolist())
            found.append(Curve(name=curve.name or "all classes", recall=rates[0], precision=rates[1]))
    return tuple(found)


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
