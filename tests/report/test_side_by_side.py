"""The page of several answers side by side."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from ocellus.report.side_by_side import Column, Figure, Row, cells, write_side_by_side
from ocellus.values import Picture


def test_best_is_marked_and_what_is_unknown_is_a_dash() -> None:
    columns = [
        Column(name=name, figures=held) for name, held in (("a", {"x": 1.0}), ("b", {"x": 2.5}), ("c", {}))
    ]
    assert cells(Figure(name="x", title="X", better="high"), columns) == [
        ("1.00", False),
        ("2.50", True),
        ("–", False),
    ]
    assert [best for _, best in cells(Figure(name="x", title="X", better="low"), columns)] == [
        True,
        False,
        False,
    ]
    assert not any(best for _, best in cells(Figure(name="x", title="X"), columns))
    endless = [Column(name="d", figures={"x": math.inf})]
    assert cells(Figure(name="x", title="X", better="high"), endless) == [("–", False)]


def test_page_holds_names_figures_and_pictures(tmp_path: Path) -> None:
    picture = Picture(pixels=torch.zeros(3, 8, 8, dtype=torch.uint8))
    path = write_side_by_side(
        tmp_path / "page.html", title="Which <loss>?", lead="On one.",
        figures=[Figure(name="x", title="Sharp")],
        columns=[Column(name="L1", figures={"x": 3.0})],
        rows=[Row(name="bird", pictures=(("L1", picture), ("truth", picture)))],
    )  # fmt: skip
    text = path.read_text()
    assert "Which &lt;loss&gt;?" in text and "3.00" in text and text.count("data:image/jpeg") == 2
    assert "bird" in text and "truth" in text and "<script" not in text
