"""The settings of a run: a system's Config and Train, the shared Fit, and what was trained on; as TOML."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.training.settings import Fit
from ocellus.training.settings import check as check_fit

SECTIONS = ("config", "train", "fit")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that says how a run went.

    Args:
        system: "see/mask_rcnn".
        data: the data set, as given.
        config: the system's Config: the network.
        train: the system's Train: its recipe.
        fit: the loop.
        start: a weights file that training began with; empty: from scratch.
        val_fraction: share of the pictures kept for validation where the data set has no split of its own.
    """

    system: str
    data: str
    config: Any
    train: Any
    fit: Fit
    start: str = ""
    val_fraction: float = 0.2

    def with_values(self, **values: Any) -> Settings:
        """With fields of config, train and fit replaced by name.

        Raises:
            OcellusError: no such setting; the message names the nearest. Exit code 2.
        """
        parts = {section: getattr(self, section) for section in SECTIONS}
        homes = {entry.name: section for section, part in parts.items() for entry in fields(part)}
        for name, value in values.items():
            if name not in homes:
                near = get_close_matches(name, homes, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise OcellusError(f"{self.system} has no setting {name!r}{hint}", exit_code=2)
            part = parts[homes[name]]
            kind = get_type_hints(type(part))[name]
            parts[homes[name]] = replace(part, **{name: checked(name, value, kind)})
        return replace(self, **parts)


def defaults(system: str, data: str, *, preset: str = "small") -> Settings:
    """A system's settings from one of its presets.

    Raises:
        OcellusError: no such system or preset. Exit code 2.
    """
    module = catalog.system(system)
    if preset not in module.PRESETS:
        raise OcellusError(
            f"{system} has no preset {preset!r}; there is {', '.join(module.PRESETS)}", exit_code=2
        )
    config, train, fit = module.PRESETS[preset]
    return Settings(system=catalog.card(system).name, data=data, config=config, train=train, fit=fit)


def default_folder(settings: Settings, out: str | Path = "") -> Path:
    """Where a run goes when nobody says: runs/mask_rcnn-nuclei."""
    if str(out):
        return Path(out)
    return Path("runs") / f"{Path(settings.system).name}-{Path(settings.data).resolve().stem}"


def write(settings: Settings, path: Path) -> None:
    """The settings as TOML, complete.

    Raises:
        OcellusError: the file cannot be written.
    """
    run = {
        "system": settings.system,
        "data": settings.data,
        "start": settings.start,
        "val_fraction": settings.val_fraction,
        "version": version("ocellus"),
    }
    sections = {section: asdict(getattr(settings, section)) for section in SECTIONS}
    text = tomli_w.dumps({"run": run, **sections})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".writing")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)  # whole or not at all: other processes of a run may be reading it
    except OSError as error:
        raise OcellusError(
            f"{path} cannot be written ({error.strerror}); free some space, or give another folder"
        ) from error


def check(settings: Settings) -> None:
    """See that the settings make sense, before anything is computed.

    Raises:
        OcellusError: one does not; the message names it. Exit code 2.
    """
    from ocellus.nn.tiles import Tiling

    check_fit(settings.fit)
    if hasattr(settings.config, "tile"):
        Tiling(tile=settings.config.tile, overlap=settings.config.overlap).check()
    for part in (settings.config, settings.train):
        for name, value in asdict(part).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not isfinite(number) for number in numbers):
                flag = name.replace("_", "-")
                raise OcellusError(f"--{flag} {value} makes no sense: it takes finite numbers", exit_code=2)


def read(path: Path) -> Settings:
    """Settings from a run.toml; what it leaves out has the defaults of the system's first preset.

    Raises:
        OcellusError: no such file, broken TOML, or a setting that the system does not have.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OcellusError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise OcellusError(f"{path} is not TOML: {error}") from error
    run = content.get("run", {})
    if "system" not in run:
        raise OcellusError(f'{path} does not say which system it is for: it needs [run] system = "see/..."')
    settings = defaults(run["system"], str(run.get("data", "")))
    settings = replace(
        settings,
        start=str(run.get("start", "")),
        val_fraction=float(run.get("val_fraction", 0.2)),
    )
    values = {name: value for section in SECTIONS for name, value in content.get(section, {}).items()}
    return settings.with_values(**values)


def read_setting(name: str, value: Any, kind: Any) -> Any:
    """A value of the type that a setting is declared with, from text too: JSON, or numbers with commas.

    Args:
        name: of the setting, for the message.
        value: as given.
        kind: see `checked`.

    Raises:
        OcellusError: a value of another type. Exit code 2.
    """
    several = get_origin(kind) is tuple
    if isinstance(value, str) and kind is not str:
        for text in (value, f"[{value}]") if several else (value,):
            try:
                value = json.loads(text)
                break
            except ValueError:  # it is said below what is wanted
                continue
    return checked(name, [value] if several and not isinstance(value, (list, tuple)) else value, kind)


def checked(name: str, value: Any, kind: Any) -> Any:
    """A value of the type that a setting is declared with; whole numbers do for fractions, lists for tuples.

    Args:
        name: of the setting, for the message.
        value: as given.
        kind: bool, int, float, str, tuple[float, ...] or Literal[...].

    Raises:
        OcellusError: a value of another type. Exit code 2.
    """
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        return tuple(checked(name, entry, get_args(kind)[0]) for entry in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(kind) is Literal and value in get_args(kind):
        return value
    if isinstance(kind, type) and type(value) is kind:
        return value
    words = get_args(kind) if get_origin(kind) is Literal else ()
    wanted = " or ".join(map(str, words)) or (kind.__name__ if isinstance(kind, type) else str(kind))
    raise OcellusError(f"setting {name} takes {wanted}, not {value!r}", exit_code=2)
