"""Every public thing says what it is; every function that takes tensors says their shapes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ocellus"
FILES = sorted(PACKAGE.rglob("*.py"))


def public(path: Path) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes at the top of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_public_things_have_docstrings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
    for node in public(path):
        assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name} has no docstring"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_on_tensors_state_shapes(path: Path) -> None:
    for node in public(path):
        if not isinstance(node, ast.FunctionDef):
            continue
        arguments = [*node.args.args, *node.args.kwonlyargs]
        tensors = [a for a in arguments if a.annotation and ast.unparse(a.annotation) == "Tensor"]
        text = ast.get_docstring(node) or ""
        assert not tensors or "(" in text, (
            f"{path}:{node.lineno} {node.name} takes tensors of no stated shape"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_errors_raised_at_the_border_are_documented(path: Path) -> None:
    for node in public(path):
        if not isinstance(node, ast.FunctionDef) or node.name == "main":
            continue
        raises = [
            child
            for child in ast.walk(node)
            if isinstance(child, ast.Raise)
            and child.exc is not None
            and "OcellusError(" in ast.unparse(child)
        ]
        text = ast.get_docstring(node) or ""
        assert not raises or "Raises:" in text, (
            f"{path}:{node.lineno} {node.name} raises what it does not say"
        )
