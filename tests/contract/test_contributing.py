"""The worked example of CONTRIBUTING.md is put into a copy of the package and must keep every promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_worked_example_is_a_whole_system(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "ocellus", tmp_path / "ocellus", ignore=shutil.ignore_patterns("__pycache__", "zoo")
    )
    shutil.copytree(ROOT / "tests" / "contract", tmp_path / "tests" / "contract")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = re.findall(r"^`(ocellus/[^`]+)`\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(files) == 6
    for name, content in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    listing = subprocess.run(
        [sys.executable, "-m", "ocellus", "list"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "see/bright_box" in listing.stdout, listing.stderr
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_systems.py"]
    result = subprocess.run(
        [*tests, "-k", "bright_box"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    assert "passed" in result.stdout
