"""The pages of the explaining methods are the ones the code makes now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ocellus import catalog

ROOT = Path(__file__).parents[2]


def test_the_texts_are_current() -> None:
    command = [sys.executable, str(ROOT / "docs" / "build_method_pages.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_method_has_a_page_and_a_small_picture() -> None:
    cards = [card for card in catalog.cards() if card.name.startswith("explain/")]
    index = (ROOT / "docs" / "explain" / "README.md").read_text(encoding="utf-8")
    total = 0
    for card in cards:
        name = card.name.split("/")[1]
        page = (ROOT / "docs" / "explain" / f"{name}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {card.title}\n") and f"({name}.md)" in index
        picture = ROOT / "docs" / "pictures" / f"method-{name}.jpg"
        if card.verb == "explain":  # a system with networks of its own may have none yet
            assert picture.is_file() and f"pictures/{picture.name}" in page
            total += picture.stat().st_size
    assert total < 2_000_000
