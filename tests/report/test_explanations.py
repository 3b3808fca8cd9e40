"""The page that lays explaining methods side by side."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
import torch

from ocellus.metrics.explanations import Curve
from ocellus.metrics.randomisation import Likeness, Randomisation, Stage
from ocellus.report.explanations import (
    MOST,
    Explained,
    Explanation,
    charts_of,
    columns_of,
    table_of,
    write_explanations,
)
from ocellus.values import Heatmap, Picture
from tests.report.made_up import NASTY, flat
from tests.report.pages import Page, accessible, self_contained


def curve(*values: float) -> Curve:
    shares = tuple(index / (len(values) - 1) for index in range(len(values)))
    return Curve(shares=shares, values=values, empty=0.0, whole=1.0)


def check(rank: float) -> Randomisation:
    alike = Likeness(rank=rank, rank_of_magnitudes=rank, structure=rank)
    last = Likeness(rank=0.0, rank_of_magnitudes=0.0, structure=0.0)
    stages = (Stage(layers=("b",), share=0.5, likeness=alike), Stage(layers=("a",), share=1.0, likeness=last))
    return Randomisation(mode="cascading", stages=stages)


def explanation(title: str, *, pattern: bool = False, **more: object) -> Explanation:
    channels = torch.rand(3, 40, 60) if pattern else None
    heat = Heatmap(values=torch.rand(40, 60), method="x", target=NASTY, layer="layer4", channels=channels)
    return Explanation(title=title, heat=heat, **more)


def explained(*explanations: Explanation, picture: Picture | None = None) -> Explained:
    return Explained(
        name=f"{NASTY}.jpg", picture=picture or flat(90), target=f"class {NASTY}", explanations=explanations,
        answers=((NASTY, 0.9), ("dog", 0.05)), scale="probability",
    )  # fmt: skip


def both() -> Explained:
    good = {"deletion/mean": curve(1.0, 0.1, 0.0), "insertion/blur": curve(0.0, 0.9, 1.0)}
    bad = {"deletion/mean": curve(1.0, 0.9, 0.0), "insertion/blur": curve(0.0, 0.1, 1.0)}
    return explained(
        explanation(
            "Grad-CAM", curves=good, randomisation=check(0.1), figures={"seconds": 0.2, "pointing": 1.0}
        ),
        explanation(
            "Guided <backprop>", pattern=True, curves=bad, randomisation=check(0.9),
            figures={"seconds": 0.1, "pointing": 0.0, "overlap": nan},
        ),
    )  # fmt: skip


def test_page_is_whole(tmp_path: Path) -> None:
    path = write_explanations(
        tmp_path, [both()], model="runs/cups.safetensors", about="knows cups", left_out=3
    )
    assert path == tmp_path / "explanations.html"
    found = Page(path)
    self_contained(found)
    accessible(found)
    assert len(found.all("img")) == 5
    assert "Why cups.safetensors said so" in found.text and "knows cups" in found.text
    assert f"class {NASTY}" in found.text and f"{NASTY} 90.0 %" in found.text
    assert "Guided <backprop> stays nearly the same" in found.text
    assert "Grad-CAM stays nearly the same" not in found.text
    assert "3 more pictures were explained" in found.text
    assert "hit" in found.text and "miss" in found.text


def test_table_marks_the_best_and_leaves_out_what_nobody_has() -> None:
    assert columns_of(both()) == ["deletion", "insertion", "likeness", "pointing", "seconds"]
    rows = dict(table_of(both()))
    assert [cell.strong for cell in rows["Grad-CAM"]] == [True, True, True, True, False]
    assert [cell.strong for cell in rows["Guided <backprop>"]] == [False, False, False, False, True]
    assert rows["Grad-CAM"][0].text == "0.300"
    assert rows["Grad-CAM"][2].text == "0.100"
    assert len(charts_of(both())) == 3


def test_page_without_measures_has_no_table(tmp_path: Path) -> None:
    found = Page(write_explanations(tmp_path / "page.html", [explained(explanation("CAM"))], model="m"))
    accessible(found)
    assert "How far to trust" not in found.text and "Deletion" not in found.text
    assert not charts_of(explained(explanation("CAM")))


def test_many_and_large_pictures_stay_within_a_page(tmp_path: Path) -> None:
    noise = Picture(pixels=torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8))
    many = [explained(explanation("CAM"), picture=noise) for _ in range(MOST + 2)]
    path = write_explanations(tmp_path, many, model="m")
    found = Page(path)
    assert len(found.all("img")) == 3 * MOST and "2 more pictures" in found.text
    assert path.stat().st_size < 3_000_000


def test_values_that_are_no_answer_break_nothing() -> None:
    assert table_of(explained(explanation("A", figures={"seconds": nan}))) == [("A", [])]
    empty = Randomisation(mode="cascading", stages=(Stage(layers=("a",), share=1.0, likeness=Likeness(
        rank=0, rank_of_magnitudes=0, structure=0), empty=True),))  # fmt: skip
    shown = explained(explanation("A", randomisation=empty, figures={"own": 3.0}))
    assert columns_of(shown) == ["own"]
    assert charts_of(shown) == []


@pytest.mark.parametrize("count", [1, 9])
def test_any_number_of_methods(tmp_path: Path, count: int) -> None:
    names = [f"method {index}" for index in range(count)]
    found = Page(write_explanations(tmp_path, [explained(*map(explanation, names))], model="m"))
    assert all(name in found.text for name in names)
