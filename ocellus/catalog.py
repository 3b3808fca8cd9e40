"""Which systems there are: the folders that hold a card.toml. Nothing is registered or imported early."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ocellus.errors import OcellusError

FACULTIES = ("see", "explain", "imagine")
PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What is known of a system without importing it; the fields of its card.toml.

    Args:
        name: "see/mask_rcnn": the command-line word, the folder and the import path.
        title: the method's own name.
        paper: authors, year and arXiv number.
        task: tasks it can be used for, for `ocellus list --task`.
        verb: predict, start+step, explain or generate.
        value: the type the verb returns.
        state: "ready" or what is missing.
        licence: of the code.
        summary: one sentence.
        data: of what generates: how its data set is read, "pictures", "pairs", "domains" or "labels".
        takes: of what generates: what it is given, a "picture" or the name of a "class".
    """

    name: str
    title: str
    paper: str
    task: tuple[str, ...]
    verb: str
    value: str
    state: str
    licence: str
    summary: str
    data: str = ""
    takes: str = "picture"


def cards() -> tuple[Card, ...]:
    """All systems, by name."""
    found = [path for faculty in FACULTIES for path in (PACKAGE / faculty).glob("*/card.toml")]
    return tuple(read_card(path) for path in sorted(found))


@cache
def read_card(path: Path) -> Card:
    """A card from its file, read once: a model looks at it for every picture."""
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    name = f"{path.parent.parent.name}/{path.parent.name}"
    return Card(**{"name": name, **fields, "task": tuple(fields["task"])})


def card(name: str) -> Card:
    """The card of one system.

    Raises:
        OcellusError: no such system; the message names the nearest one. Exit code 2.
    """
    known = {entry.name: entry for entry in cards()}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    short = [full for full in known if full.split("/")[1] == name]
    guess = (short or near or [""])[0]
    hint = f"did you mean {guess}? " if guess else ""
    raise OcellusError(f"there is no system {name!r}: {hint}`ocellus list` shows all of them", exit_code=2)


def system(name: str) -> ModuleType:
    """The module of a system: Config, Train, PAPER, TINY, build and its verb.

    Raises:
        OcellusError: no such system. Exit code 2.
    """
    return import_module("ocellus." + card(name).name.replace("/", "."))


def lazy(package: str, **homes: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that imports an attribute's home when it is first asked for.

    Args:
        package: the `__name__` of the module.
        homes: attribute name = the submodule that defines it.
    """

    def resolve(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return resolve
