"""Who may import whom. The table is the agreement; a new arrow is a decision, made here first."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ocellus"

# A part of the house, and the parts it may import. `errors` may be imported from anywhere.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "values": set(),
    "labels": set(),
    "catalog": set(),
    "zoo": set(),
    "nn": {"values", "labels"},
    "data": {"values", "labels"},
    "metrics": {"values", "labels"},
    "draw": {"values", "labels"},
    "weights": {"catalog", "labels"},
    "foreign": set(),
    "training": {"values", "labels", "data", "metrics", "weights", "nn"},
    "report": {"catalog", "values", "weights", "draw", "metrics"},
    "see": {"catalog", "values", "labels", "nn", "data", "metrics", "training"},
    "explain": {"catalog", "values", "labels", "nn", "data", "metrics", "training"},
    "imagine": {"catalog", "values", "labels", "nn", "data", "metrics", "training", "see"},
    "export": {"catalog", "values", "labels", "weights", "data", "draw"},
    "serve": {"catalog", "values", "labels", "weights", "data", "draw"},
    "jobs": {"catalog", "values", "labels", "weights", "data", "draw", "nn", "metrics", "training", "report"}
    | {"foreign"},
    "__main__": {"cli"},
    "cli": {"catalog", "values", "labels", "weights", "data", "draw", "nn", "metrics", "training", "report"}
    | {"jobs", "foreign"},
}

# Papers built on papers: a system that may import another of its faculty.
BUILT_ON = {
    ("see/yolact_edge", "see/yolact"),
    ("see/vpsnet", "see/upsnet"),
    ("see/keypoint_triplets", "see/cornernet"),
    ("see/densepose", "see/mask_rcnn"),
    ("explain/guided_gradcam", "explain/gradcam"),
    ("explain/guided_gradcam", "explain/guided_backprop"),
}

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively; write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "ocellus"}


def part(name: str) -> str:
    """ "ocellus.nn.roi" -> "nn"."""
    return name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_table(path: Path) -> None:
    here = path.relative_to(PACKAGE).with_suffix("").parts
    for name in imported(path):
        there = part(name)
        if there == here[0] or there == "errors":
            continue
        assert here[0] in ALLOWED, f"{here[0]} is a new part of the house: give it a row in the table"
        if there == "see" and here[0] in ("cli", "jobs"):
            raise AssertionError(f"{path} names a system; reach it through catalog.system(name)")
        assert there in ALLOWED[here[0]], f"{path} imports {name}: {here[0]} may not import {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_systems_do_not_import_each_other(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts
    if here[0] not in ("see", "explain", "imagine") or len(here) < 3:
        return
    system = f"{here[0]}/{here[1]}"
    for name in imported(path):
        words = name.split(".")
        if words[1] == here[0] and len(words) > 2 and words[2] != here[1]:
            pair = (system, f"{words[1]}/{words[2]}")
            assert pair in BUILT_ON, f"{path}: {pair[0]} may not import {pair[1]}; shared blocks live in nn/"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_lightning_is_for_training_alone(path: Path) -> None:
    here = path.relative_to(PACKAGE).as_posix()
    text = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(text) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(text) if isinstance(node, ast.ImportFrom) and node.module}
    if any(name.split(".")[0] in ("lightning", "pytorch_lightning") for name in names):
        assert here.startswith("training/") or here.endswith("/recipe.py"), f"{here} imports lightning"
