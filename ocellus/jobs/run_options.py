"""The options that a system's `Run` adds to `ocellus run`: a flag for each field."""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ocellus import catalog, weights
from ocellus.errors import OcellusError
from ocellus.jobs.model import find
from ocellus.jobs.settings import checked


def run_of(model: str) -> type | None:
    """The `Run` of the system whose weights a name stands for; None where it has none, or nothing is found.

    What is wrong with the name is said when the model is loaded.
    """
    try:
        header = weights.read_header(find(model))
        return getattr(catalog.system(header.system), "Run", None)
    except OcellusError:
        return None


def add_flags(parser: argparse.ArgumentParser, kind: type) -> None:
    """A flag for each field of a `Run`, with its default and its line of text."""
    group = parser.add_argument_group("options of this model")
    hints, texts = get_type_hints(kind), documented(kind)
    for entry in fields(kind):
        flag = "--" + entry.name.replace("_", "-")
        wanted = hints[entry.name]
        text = texts.get(entry.name, "").replace("%", "%%")
        shown = f"{text} ({entry.default})" if entry.default != "" else text
        if wanted is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=shown)
        elif get_origin(wanted) is Literal:
            group.add_argument(flag, choices=get_args(wanted), default=None, help=shown)
        else:
            group.add_argument(flag, type=wanted, default=None, help=shown)


def options_from(kind: type, values: Mapping[str, Any]) -> Any:
    """A `Run` with what was given; what is None or not a field of it is left as it stands there.

    Raises:
        OcellusError: a value of another type. Exit code 2.
    """
    hints = get_type_hints(kind)
    given = {
        entry.name: checked(entry.name, values[entry.name], hints[entry.name])
        for entry in fields(kind)
        if values.get(entry.name) is not None
    }
    return replace(kind(), **given)


def documented(kind: type) -> dict[str, str]:
    """The line of text below each field of a dataclass."""
    body = ast.parse(dedent(inspect.getsource(kind))).body[0]
    found: dict[str, str] = {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for before, after in pairwise(statements):
        named = isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[before.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found
