"""The page that goes through a network."""

from __future__ import annotations

from pathlib import Path

from ocellus.report.inside import Part, Tile, write_inside
from tests.report.made_up import NASTY, flat
from tests.report.pages import Page, accessible, self_contained


def test_page_has_the_parts_that_hold_something(tmp_path: Path) -> None:
    tiles = tuple(Tile(name=f"{NASTY}{i}", picture=flat(i), shape="1x3x4", note="0 to 1") for i in range(3))
    parts = [
        Part(title="Features", about="What they are.", tiles=tiles),
        Part(title="Masks", about="None here.", tiles=()),
        Part(title="Answer", about="What it says.", tiles=(Tile(name="out", picture=flat(9)),)),
    ]
    page = Page(write_inside(tmp_path, parts, model="runs/a.safetensors", name=f"{NASTY}.png"))
    self_contained(page)
    accessible(page)
    assert len(page.all("img")) == 4 and "Inside a.safetensors" in page.text
    assert f"{NASTY}2" in page.text and "1x3x4" in page.text and "None here" not in page.text
