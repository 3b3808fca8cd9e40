"""Sheets of pictures, legends, and the style of figures."""

from __future__ import annotations

import pytest
import torch
from matplotlib.figure import Figure

from ocellus.draw import fonts
from ocellus.draw.figures import SERIES, figure_style, figure_svg, style
from ocellus.draw.sheet import draw_legend, draw_sheet
from ocellus.errors import OcellusError
from ocellus.values import Picture
from ocellus.values.html import color


def flat(value: int, size: tuple[int, int]) -> Picture:
    return Picture(pixels=torch.full((3, *size), value, dtype=torch.uint8))


def test_sheet_places_pictures_in_rows_as_high_as_the_highest() -> None:
    pictures = [flat(10, (50, 100)), flat(60, (100, 100)), flat(110, (30, 60))]
    sheet = draw_sheet(pictures, columns=2, cell_width=100, gap=10)
    assert sheet.size == (10 + 100 + 10 + 50 + 10, 10 + 100 + 10 + 100 + 10)
    pixels = sheet.pixels[0]
    assert (pixels[10:60, 10:110] == 10).all() and (pixels[10:110, 120:220] == 60).all()
    assert (pixels[120:170, 10:110] == 110).all()
    assert (pixels[60:110, 10:110] == 255).all() and (pixels[120:, 120:] == 255).all()


def test_captions_are_below_their_picture_and_no_wider() -> None:
    plain = draw_sheet([flat(10, (50, 100))] * 2, columns=2, cell_width=100, gap=10)
    sheet = draw_sheet(
        [flat(10, (50, 100))] * 2, columns=2, cell_width=100, gap=10, captions=["short", "long " * 20]
    )
    assert sheet.size[0] > plain.size[0] and sheet.size[1] == plain.size[1]
    below = sheet.pixels[0, 60:]
    assert (below[:, 10:110] < 255).any() and (below[:, 120:220] < 255).any()
    assert (below[:, :10] == 255).all() and (below[:, 110:120] == 255).all() and (below[:, 220:] == 255).all()


def test_sheet_refuses_what_makes_no_sheet() -> None:
    with pytest.raises(OcellusError, match="at least one picture"):
        draw_sheet([])
    with pytest.raises(OcellusError, match="1 captions for 2 pictures"):
        draw_sheet([flat(1, (5, 5))] * 2, captions=["one"])


def test_legend_has_the_color_of_each_class_and_wraps() -> None:
    names = [f"class {index}" for index in range(12)]
    wide, narrow = draw_legend(names, width=900), draw_legend(names, width=200)
    assert narrow.size[0] > wide.size[0] and wide.size[1] == 900
    for picture in (wide, narrow):
        seen = {tuple(pixel) for pixel in picture.pixels.flatten(1).T.tolist()}
        assert {color(label) for label in range(12)} <= seen
    some = {tuple(p) for p in draw_legend(names, labels=[3, 3]).pixels.flatten(1).T.tolist()}
    assert color(3) in some and color(4) not in some


def test_figures_have_our_colors_and_text_that_stays_text() -> None:
    with figure_style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [1, 2])
        axes.set_title("<b> & words")
        svg = figure_svg(figure)
    assert svg.startswith("<svg") and SERIES[0] in svg
    assert "&lt;b&gt; &amp; words" in svg and "<metadata" not in svg and "<style" not in svg


def test_font_family_follows_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    serif = fonts.default_font().with_name("DejaVuSerif.ttf")
    monkeypatch.setattr(fonts, "runs", lambda text: (("a", fonts.default_font()), ("b", serif)))
    assert style("ab")["font.family"] == ["DejaVu Sans", "DejaVu Serif"]
