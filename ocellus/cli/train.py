"""`ocellus train SYSTEM DATA`: every field of the system's Config, Train and Fit is a flag."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from ocellus import catalog
from ocellus.cli.figures import for_json
from ocellus.errors import OcellusError
from ocellus.jobs import settings as run_settings
from ocellus.jobs.settings import Settings
from ocellus.training.settings import Fit


@dataclass(frozen=True, kw_only=True)
class Place:
    """What to train on, and where the run goes."""

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")] = ""
    """The data set: a folder or an annotation file, in any format that `ocellus check` reads."""
    out: str = ""
    """Folder of the run; empty: runs/<system>-<data>, such as runs/mask_rcnn-coins."""
    preset: str = "small"
    """The settings to begin with, which other flags change; `ocellus info SYSTEM` lists the presets."""
    from_: Annotated[str, tyro.conf.arg(name="from")] = ""
    """A run.toml whose settings to begin with; other flags change them."""
    start: str = ""
    """Weights to begin with, of the same network: a file, a run's folder, or a system whose weights are
    shipped; heads for other classes start anew."""
    resume: bool = False
    """Go on where the run in --out stopped, with its own settings; --steps and --epochs may grow."""
    val_fraction: float = 0.2
    """Share of the pictures kept for validation where the data set has no split of its own."""
    json: bool = False
    """Print the result as JSON, and everything else to standard error."""


def main(argv: list[str]) -> int:
    """Parse the flags, train, and print where the results are."""
    if argv and not argv[0].startswith("-"):
        name, rest = argv[0], argv[1:]
    else:
        name, rest = system_of_file(argv), argv
    place, settings = parse(name, rest)
    from ocellus.jobs.train import say_to_stderr, train_settings
    from ocellus.training.distributed import is_first

    folder = run_settings.default_folder(settings, place.out)
    say = say_to_stderr if place.json else print
    trained = train_settings(settings, folder, resume=place.resume, say=say)
    if not is_first():
        return 0
    if place.json:
        places = {"weights": str(trained.weights), "report": str(trained.report)}
        print(json.dumps(places | {"metrics": for_json(trained.metrics)}, ensure_ascii=False))
    else:
        print(f"weights {trained.weights}\nreport  {trained.report}")
    return 0


def parse(name: str, argv: list[str]) -> tuple[Place, Settings]:
    """The place and the settings that the flags say, on top of a preset or a run.toml.

    Raises:
        OcellusError: no such system, preset or file.
        SystemExit: a flag that does not exist or has a wrong value (2), or help was asked for (0).
    """
    system = catalog.system(name)
    if path := file_to_begin_with(argv):
        begin = run_settings.read(path)
        if begin.system != catalog.card(name).name:
            raise OcellusError(f"{path} is for {begin.system}, not for {name}", exit_code=2)
    else:
        begin = run_settings.defaults(name, "", preset=value_after(argv, "--preset") or "small")
    parts = [("place", Place), ("config", system.Config), ("train", system.Train), ("fit", Fit)]
    flags: Any = make_dataclass("Flags", parts)
    place = Place(data=begin.data or tyro.MISSING, start=begin.start, val_fraction=begin.val_fraction)
    values = flags(place, begin.config, begin.train, begin.fit)
    parsed = tyro.cli(
        flags, args=argv, default=values, prog=f"ocellus train {name}", config=(tyro.conf.OmitArgPrefixes,)
    )
    place = parsed.place
    own = run_settings.default_folder(replace(begin, data=place.data))
    if place.resume and not (path or place.out) and (own / "run.toml").is_file():
        return parse(name, [*argv, "--out", str(own)])  # with that run's own settings
    settings = replace(
        begin,
        data=place.data,
        config=parsed.config,
        train=parsed.train,
        fit=parsed.fit,
        start=place.start,
        val_fraction=place.val_fraction,
    )
    return place, settings


def system_of_file(argv: list[str]) -> str:
    """The system that --from's file is for, where the command names none.

    Raises:
        OcellusError: neither is given. Exit code 2.
    """
    if path := file_to_begin_with(argv):
        return run_settings.read(path).system
    if "--help" in argv or "-h" in argv:
        print(
            "usage: ocellus train SYSTEM DATA [flags]\n\n"
            "A system's flags: ocellus train SYSTEM --help\nSystems:"
        )
        print("\n".join(f"  {card.name}" for card in catalog.cards()))
        sys.exit(0)
    raise OcellusError("which system? ocellus train SYSTEM DATA; `ocellus list` shows them", exit_code=2)


def file_to_begin_with(argv: list[str]) -> Path | None:
    """The run.toml that --from names, or that of the run in --out which --resume goes on with."""
    if path := value_after(argv, "--from"):
        return Path(path)
    out = value_after(argv, "--out")
    if "--resume" in argv and out and (Path(out) / "run.toml").is_file():
        return Path(out) / "run.toml"
    return None


def value_after(argv: list[str], flag: str) -> str:
    """The value of a flag that decides what the other flags' defaults are."""
    for index, word in enumerate(argv):
        if word == flag and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(flag + "="):
            return word[len(flag) + 1 :]
    return ""
