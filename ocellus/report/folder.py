"""What a run's folder holds, as far as it goes: a run that has just begun has a page too."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from ocellus.errors import OcellusError
from ocellus.report import evaluation as evaluations
from ocellus.report.evaluation import Evaluation
from ocellus.weights import Header, read_header

Series = tuple[list[int], list[float]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """One run, or one evaluation.

    Args:
        folder: where it lies.
        settings: run.toml, a table of values for each of its sections.
        history: for each split and name the steps and values of metrics.jsonl.
        header: what the weights say of themselves, where there are any.
        weights: the weights file.
        evaluation: the one kept in the folder, or given.
        remarks: sentences on what is missing or could not be read.
    """

    folder: Path
    settings: dict[str, dict[str, Any]]
    history: dict[tuple[str, str], Series]
    header: Header | None
    weights: Path
    evaluation: Evaluation | None
    remarks: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def last_step(self) -> int:
        """The highest step in the history; 0 where there is none."""
        return max((steps[-1] for steps, _ in self.history.values() if steps), default=0)

    def metrics(self) -> dict[str, float]:
        """The evaluation's figures, else those of the weights, else the last validation's."""
        if self.evaluation is not None and self.evaluation.metrics:
            return dict(self.evaluation.metrics)
        if self.header is not None and self.header.metrics:
            return dict(self.header.metrics)
        return {name: values[-1] for (split, name), (_, values) in self.history.items() if split == "val"}


def read_run(folder: Path, *, evaluation: Evaluation | None = None) -> Run:
    """Everything in a run's folder that a page can show.

    Args:
        folder: of a run, or of an evaluation.
        evaluation: shown in place of the one in the folder.

    Raises:
        OcellusError: there is no such folder, or its run.toml cannot be understood.
    """
    if not folder.is_dir():
        raise OcellusError(
            f"{folder} is not a folder; name one that `ocellus train` or `ocellus evaluate` wrote"
        )
    remarks: list[str] = []
    settings = read_settings(folder / "run.toml")
    if evaluation is None:
        evaluation = evaluations.load(folder)
    history, odd_lines = read_history(folder / "metrics.jsonl")
    if odd_lines:
        remarks.append(f"{odd_lines} lines of metrics.jsonl could not be read and are left out.")
    gaps = sum(not isfinite(value) for _, values in history.values() for value in values)
    if gaps:
        remarks.append(f"{gaps} recorded values are not finite numbers; the curves have gaps there.")
    weights = folder / "best.safetensors"
    if not weights.is_file() and evaluation is not None and evaluation.model:
        weights = Path(evaluation.model)
    header = None
    if weights.is_file():
        try:
            header = read_header(weights)
        except OcellusError as error:
            remarks.append(f"The weights could not be read: {error}.")
    return Run(
        folder=folder,
        settings=settings,
        history=history,
        header=header,
        weights=weights,
        evaluation=evaluation,
        remarks=tuple(remarks),
    )


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """A run.toml by its sections; values outside a section are put into "run". Empty where there is no file.

    Raises:
        OcellusError: the file is not TOML.
    """
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OcellusError(f"{path} is not TOML: {error}") from error
    sections = {name: dict(value) for name, value in content.items() if isinstance(value, dict)}
    loose = {name: value for name, value in content.items() if not isinstance(value, dict)}
    return {"run": loose | sections.pop("run", {}), **sections}


def read_history(path: Path) -> tuple[dict[tuple[str, str], Series], int]:
    """The values of a metrics.jsonl by split and name, and how many lines could not be read.

    A run that was killed and resumed may have written a step twice: the later line counts.
    """
    if not path.is_file():
        return {}, 0
    values: dict[tuple[str, str], dict[int, float]] = {}
    odd = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            step, split = int(row["step"]), str(row.get("split", "train"))
        except (ValueError, KeyError, TypeError, AttributeError):
            odd += 1
            continue
        for name, value in _numbers(row):
            values.setdefault((split, name), {})[step] = value
    return {
        key: (sorted(by_step), [by_step[s] for s in sorted(by_step)]) for key, by_step in values.items()
    }, odd


def _numbers(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name in ("step", "split") or isinstance(value, bool):
            continue
        if value is None:
            yield name, float("nan")
        elif isinstance(value, (int, float)):
            yield name, float(value)
