"""Train a system on a data set: check it, fit, keep the best weights, write the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

from torch import nn

from ocellus import catalog, weights
from ocellus.data.check import check
from ocellus.data.check.report import viewed
from ocellus.data.dataset import Dataset
from ocellus.errors import OcellusError
from ocellus.jobs import settings as run_settings
from ocellus.jobs.evaluate import evaluate
from ocellus.jobs.kinds import dataset_for, kind_of
from ocellus.jobs.model import find, load
from ocellus.jobs.settings import Settings
from ocellus.training.checkpoint import LAST, PREVIOUS, make_folder
from ocellus.weights import Header, describe

REPORTED = 200
"""Pictures of the validation split that the report of a training measures the best weights on, at most."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training left behind.

    Args:
        folder: the run's folder.
        weights: its best.safetensors.
        metrics: of the best validation, by the metric's names.
        report: the page to look at.
    """

    folder: Path
    weights: Path
    metrics: dict[str, float]
    report: Path


def train(
    system: str,
    data: str | Path | Dataset,
    *,
    out: str | Path = "",
    preset: str = "small",
    start: str | Path = "",
    resume: bool = False,
    val_fraction: float = 0.2,
    say: Callable[[str], None] = print,
    **values: Any,
) -> Trained:
    """Train a system on a data set.

    Args:
        system: "see/mask_rcnn".
        data: a folder or annotation file in any format that `ocellus.read` knows, or a Dataset.
        out: folder of the run; empty: runs/<system>-<data>.
        preset: the settings to begin with.
        start: weights to begin with: a file, a run's folder, or a system whose weights are shipped.
        resume: go on where the run in `out` stopped; the settings must be those it was started with.
        val_fraction: share of the pictures kept for validation where the data set has no split of its own.
        say: is told what happens, a line at a time.
        values: settings by name: `steps=600, learning_rate=0.01, depth=18`.

    Raises:
        OcellusError: the data would spoil the training, `out` holds a run already, a setting makes no sense.
    """
    name = str(data.root if isinstance(data, Dataset) else data)
    begin = run_settings.defaults(system, name, preset=preset)
    settings = replace(begin, start=str(start), val_fraction=val_fraction)
    chosen = settings.with_values(**values)
    return train_settings(chosen, run_settings.default_folder(chosen, out), data=data, resume=resume, say=say)


def train_settings(
    settings: Settings,
    folder: Path,
    *,
    data: str | Path | Dataset = "",
    resume: bool = False,
    pictures: int = REPORTED,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train as `Settings` say, into a folder; see `train`.

    Args:
        settings: what and how.
        folder: of the run.
        data: the data set, where it is not to be read from where the settings say.
        resume: go on where the run in the folder stopped.
        pictures: for the report the best weights are measured on so many pictures of the split "val".
        say: is told what happens, a line at a time.

    Raises:
        OcellusError: see `train`. Where nothing was begun, the folder is as it was.
    """
    from ocellus.report.run import write_report
    from ocellus.training.distributed import is_first
    from ocellus.training.fit import fit

    module = catalog.system(settings.system)
    run_settings.check(settings)
    kept = resume and any((folder / name).is_file() for name in (LAST, PREVIOUS))
    start = find(settings.start) if settings.start and not kept else None
    if start:
        see_system(start, settings.system)
    source = data if str(data) else settings.data
    dataset = dataset_for(source, settings.system, val_fraction=settings.val_fraction, config=settings.config)
    if is_first():  # the others of a distributed run find the first one's run.toml there
        claim(folder, resume=resume)
    alone = ("classes-alone",) if kind_of(settings.system).generates else ()  # drawing one class is learnt
    refuse_faults(dataset, say=say if is_first() else lambda _: None, but=alone)
    settings = replace(
        settings, config=module.adapt(settings.config, dataset, pretrained=bool(start or kept))
    )
    recipe = module.Recipe(settings.config, settings.train, settings.fit, dataset.labels, dataset.skeleton)
    if start:
        tell = say if is_first() else lambda _: None
        begin_with(recipe.network, start, dataset.labels.names, system=settings.system, say=tell)
    facts = describe(
        settings.system,
        settings.config,
        labels=dataset.labels.names,
        skeleton=dataset.skeleton,
        colors=dataset.colors,
        licence="as the training data allows",
        data=f"{dataset.root.resolve().name}: {len(dataset.splits['train'])} pictures ({dataset.format})",
    )
    validate = recipe.validator(dataset, "val")
    with noted(settings, folder / "run.toml") if is_first() else nullcontext():
        result = fit(
            recipe,
            examples=recipe.examples(dataset, "train"),
            collate=recipe.collate,
            validate=validate,
            monitor=recipe.monitor,
            lower_is_better=getattr(recipe, "lower_is_better", False),
            samples=getattr(recipe, "samples", None),
            folder=folder,
            settings=settings.fit,
            save=lambda network, path, metrics: _save(network, path, replace(facts, metrics=_known(metrics))),
            resume=resume,
        )
    best = folder / "best.safetensors"
    if is_first():
        save_companions(recipe, folder, facts)
        write_report(folder)
        if pictures and validate is not None and best.is_file():
            model = load(best, device=settings.fit.device, precision=settings.fit.precision)
            evaluate(model, dataset, out=folder, limit=pictures, say=say)
    return Trained(folder=folder, weights=best, metrics=dict(result.metrics), report=folder / "report.html")


def claim(folder: Path, *, resume: bool) -> None:
    """See that a run may be written to a folder.

    Raises:
        OcellusError: it holds a run and is not to be resumed, or the other way round, with exit code 2; or
            nothing can be written there.
    """
    holds_run = (folder / "run.toml").is_file() or (folder / "last.ckpt").is_file()
    if resume and not holds_run:
        raise OcellusError(f"{folder} holds no run to resume: leave --resume out to start one", exit_code=2)
    if holds_run and not resume:
        raise OcellusError(
            f"{folder} already holds a run: --resume goes on with it, --out FOLDER starts another",
            exit_code=2,
        )
    if not holds_run and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OcellusError(f"{folder} is there and is not a run: give an empty or new --out", exit_code=2)
    make_folder(folder)


@contextmanager
def noted(settings: Settings, path: Path) -> Iterator[None]:
    """A run.toml for what is done meanwhile; if that is refused as wrong usage, the one before is put back.

    Raises:
        OcellusError: it cannot be written.
    """
    before = path.read_bytes() if path.is_file() else None
    run_settings.write(settings, path)
    try:
        yield
    except OcellusError as error:
        if error.exit_code == 2:
            path.unlink() if before is None else path.write_bytes(before)
        raise


def see_system(path: Path, system: str) -> None:
    """See that a weights file is of a system, or of another that it can begin with.

    Raises:
        OcellusError: it is of another, holds a discriminator, or is none.
    """
    header = weights.read_header(path)
    found = header.system
    if header.part:
        raise OcellusError(f"{path} holds the {header.part} of {found}: give the best.safetensors beside it")
    if found != system and found not in getattr(catalog.system(system), "BEGINNINGS", ()):
        raise OcellusError(f"{path} holds weights of {found}, not of {system}")


def refuse_faults(dataset: Dataset, *, say: Callable[[str], None], but: Sequence[str] = ()) -> None:
    """The data doctor's look at a data set, before it costs a training.

    Args:
        dataset: to train on.
        say: is told how much looks odd.
        but: kinds of findings that do not matter here.

    Raises:
        OcellusError: it found what would spoil the training.
    """
    found = check(dataset)
    found = replace(found, findings=tuple(one for one in found.findings if one.kind not in but))
    look = f"`ocellus check {dataset.root}{viewed(dataset.view)}`"
    warnings = sum(finding.severity == "warn" for finding in found.findings)
    if warnings:
        say(f"what looks odd in {dataset.root}: {warnings}; {look} tells more")
    found.require()
    if not dataset.splits.get("train"):
        raise OcellusError(f"{dataset.root} has no pictures to train on; {look} tells more")


def begin_with(
    network: nn.Module, path: Path, names: Sequence[str], *, system: str, say: Callable[[str], None]
) -> None:
    """Put the tensors of a weights file into a network; those for other classes are left as they are.

    Args:
        network: to begin with.
        path: weights of the same system, or of one that it can begin with.
        names: of the classes it is to learn.
        system: the network's.
        say: is told what becomes of the tensors for other classes.

    Raises:
        OcellusError: a damaged file, or the networks differ in more than the number of classes.
    """
    other, header = weights.load(path)
    module = catalog.system(system)
    # A system may know other beginnings than the same network: FCN's coarser strides, and classifiers.
    given = module.begin_state(network, other) if hasattr(module, "begin_state") else other.state_dict()
    wanted = network.state_dict()
    changed = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    kept = {key: wanted[key] if key in changed else tensor for key, tensor in given.items()}
    if len(changed) > len(wanted) // 4:
        differing = differences(module.Config, network, header)
        raise OcellusError(
            f"{path} is of another network: {differing}; give the same settings, or other weights"
        )
    weights.load_state(network, kept, source=str(path))
    if changed:
        fate = f"the {len(changed)} tensors for other classes start anew"
    elif header.system != system:
        fate = "what its features have learned is the beginning"
    else:
        fate = f"what it knows of them is the beginning for {', '.join(names[:5])}, in this order"
    if changed or header.labels != tuple(names):
        say(f"{path} knows {', '.join(header.labels[:5])}; {fate}")


def differences(kind: type, network: Any, header: Header) -> str:
    """In which settings a network and a weights file differ, as a phrase."""
    theirs = header.settings()
    names = [entry.name for entry in fields(kind)]
    pairs = [(name, getattr(theirs, name), getattr(network.config, name)) for name in names]
    return (
        ", ".join(f"{name} is {a}, not {b}" for name, a, b in pairs if a != b)
        or "its tensors differ in shape"
    )


def save_companions(recipe: Any, folder: Path, header: Header) -> list[Path]:
    """Write what a network was trained against, each to a file of its own: discriminator.safetensors.

    Args:
        recipe: at the end of its training; its `companions()` are the networks by name, where it has some.
        folder: of the run.
        header: of the network; each file says which part of the system it holds.
    """
    companions: dict[str, nn.Module] = getattr(recipe, "companions", dict)()
    for name, network in companions.items():
        weights.save(folder / f"{name}.safetensors", network, replace(header, part=name))
    return [folder / f"{name}.safetensors" for name in companions]


def _save(network: nn.Module, path: Path, header: Header) -> None:
    weights.save(path, network, header)


def _known(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in metrics.items() if isfinite(value)}


def say_to_stderr(line: str) -> None:
    """For commands whose standard output is JSON."""
    print(line, file=sys.stderr)
