"""Files, functions and forwards stay small enough to be read at one sitting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "ocellus").rglob("*.py"))


def functions(path: Path) -> list[ast.FunctionDef]:
    return [
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)
    ]


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_at_most_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_at_most_60_lines_and_forward_40(path: Path) -> None:
    for function in functions(path):
        most = 40 if function.name == "forward" else 60
        assert code_lines(function) <= most, f"{path}:{function.lineno} {function.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_keyword_arguments_are_passed_through_blindly(path: Path) -> None:
    for function in functions(path):
        if function.args.kwarg is None:
            continue
        annotation = function.args.kwarg.annotation
        assert annotation is not None, f"{path}:{function.lineno} **{function.args.kwarg.arg} needs a type"
        assert "**kwargs" not in ast.unparse(function), f"{path}:{function.lineno} {function.name}"


def test_no_room_is_called_utils() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert not names & {"utils", "util", "common", "core", "misc", "helpers"}


def test_project_speaks_of_itself_alone() -> None:
    """No path of somebody's machine, no registry's host, in anything that is shipped."""
    forbidden = re.compile(r"(?<![\w.~-])/(home|root|work|farm|opt)/[a-z]|pypi\.org|/tmp/[a-z]")
    shipped = [*FILES, *ROOT.glob("*.toml"), ROOT / "constraints.txt", ROOT / "Makefile"]
    shipped += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.py")]
    for path in shipped:
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path} holds {found and found.group()}"
