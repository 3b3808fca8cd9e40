"""Measuring what makes pictures: the figures of its training's validation, and sheets of what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus import catalog
from ocellus.data.dataset import Dataset, Record
from ocellus.errors import OcellusError
from ocellus.jobs import settings as run_settings
from ocellus.jobs.model import Model
from ocellus.labels import LabelMap
from ocellus.report.evaluation import Evaluation, Example
from ocellus.report.run import SHEET
from ocellus.values import Picture


def measured(
    model: Model,
    dataset: Dataset,
    records: tuple[Record, ...],
    *,
    split: str,
    boundaries: bool,
    cells: str,
    say: Callable[[str], None],
) -> Evaluation:
    """What a network makes of a split, measured as its recipe measures it.

    The recipe's settings (the size of the pictures, the networks that judge) are those of the run.toml beside
    the weights, else of the system's first preset.

    Args:
        model: of a system that makes pictures.
        dataset: as the system learns from it.
        records: to measure on.
        split: their name.
        boundaries: makes no sense here.
        cells: the same.
        say: is told what a user should know.

    Raises:
        OcellusError: the recipe cannot measure, or something of pixels is asked for, with exit code 2.
    """
    if boundaries or cells:
        flag = "boundaries" if boundaries else "cells"
        raise OcellusError(
            f"--{flag} is for classes of pixels; {model.header.system} makes pictures", exit_code=2
        )
    with torch.random.fork_rng(devices=[]):  # its networks, which are not used, are thrown
        recipe = recipe_of(model, dataset, say=say)
    part = replace(dataset, splits={**dataset.splits, split: records})
    validate = recipe.validator(part, split)
    if validate is None:
        raise OcellusError(f"{model.header.system} measures nothing on {split!r} of {dataset.root}")
    network = model.network
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(recipe.fit.seed)
        metrics = {name: float(value) for name, value in validate(network).items()}
        torch.manual_seed(recipe.fit.seed)
        sheets: dict[str, Tensor] = recipe.samples(network) if hasattr(recipe, "samples") else {}
    return Evaluation(metrics=metrics, examples=tuple(shown(name, sheet) for name, sheet in sheets.items()))


def recipe_of(model: Model, dataset: Dataset, *, say: Callable[[str], None]) -> Any:
    """The recipe that a model was trained with, as far as that is known; its own network is a new one."""
    system = model.header.system
    _, train, fit = next(iter(catalog.system(system).PRESETS.values()))
    beside = Path(model.source).parent / "run.toml"
    if beside.is_file():
        held = run_settings.read(beside)
        if held.system == system:
            train, fit = held.train, held.fit
    else:
        say(f"{model.source} lies in no run's folder: measured with the settings that {system} begins with")
    fit = replace(fit, device=model.device, precision=model.precision)
    labels = LabelMap(model.header.labels) if model.header.labels else dataset.labels
    recipe = catalog.system(system).Recipe(model.header.settings(), train, fit, labels, None)
    return recipe.to(model.device)


def shown(name: str, sheet: Tensor) -> Example:
    """A sheet of what a network makes, (3, H, W) in [0, 1], for the report."""
    pixels = (sheet.detach().float().clamp(0, 1) * 255).round().byte().cpu().contiguous()
    return Example(name=name, score=float("nan"), truth=None, prediction=Picture(pixels=pixels), why=SHEET)
