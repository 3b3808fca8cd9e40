"""One name, one meaning: what is imported by its bare name is found once among the building blocks."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ocellus"

ASKED_BY_MODULE = {"public_names"}
"""The same thing of several networks, called as `vgg.public_names`."""


def public_names(folder: Path) -> dict[str, list[str]]:
    """Public functions and classes at the top of a folder's files, and the files they are in."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                found[node.name].append(path.name)
    return found


def test_names_of_building_blocks_are_unique() -> None:
    twice = {
        name: files
        for name, files in public_names(PACKAGE / "nn").items()
        if len(files) > 1 and name not in ASKED_BY_MODULE
    }
    assert not twice, f"two things of one name in nn: {twice}"


def test_settings_are_checked_by_one_function() -> None:
    """`require` of `ocellus.errors`; none of a network's own."""
    own = [
        path for path in PACKAGE.glob("*/*/model.py") if "def _require" in path.read_text(encoding="utf-8")
    ]
    assert not own, f"{own} have a _require of their own: use ocellus.errors.require"
