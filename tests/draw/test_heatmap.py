"""Heat maps in color: even lightness, two equal sides, what lies over a picture, and the strip below it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from ocellus.draw.heatmap import colorize, draw_heatmap, draw_map, draw_pattern, full_color
from ocellus.values import Heatmap, Picture


def heat(values: torch.Tensor, **more: object) -> Heatmap:
    return Heatmap(values=values, method="gradcam", target="class 고양이", **more)


def grey(size: tuple[int, int], value: int = 128) -> Picture:
    return Picture(pixels=torch.full((3, *size), value, dtype=torch.uint8))


def lightness(signed: bool) -> np.ndarray:
    """CIE L* along the table, which is another measure than the OKLab that it is made with."""
    ramp = torch.linspace(-1 if signed else 0, 1, 256)[None]
    colors = colorize(ramp, signed=signed, limit=1.0).permute(1, 2, 0).numpy()
    return rgb2lab(colors)[0, :, 0]


def test_lightness_rises_in_even_steps() -> None:
    steps = np.diff(lightness(signed=False)[::15])
    assert steps.min() > 0
    assert steps.max() / steps.min() < 1.6
    assert lightness(signed=False)[0] < 16 and lightness(signed=False)[-1] > 93


def test_both_sides_of_a_signed_map_are_equally_dark() -> None:
    found = lightness(signed=True)
    assert np.abs(found - found[::-1]).max() < 3.5
    assert (np.diff(found[:128:8]) > 0).all() and (np.diff(found[128::8]) < 0).all()
    red, _, blue = colorize(torch.tensor([[1.0, -1.0]]), signed=True).long()
    assert red[0, 0] > blue[0, 0] + 80 and blue[0, 1] > red[0, 1] + 80


def test_unsigned_maps_ignore_what_is_negative_and_zero_is_the_first_color() -> None:
    colors = colorize(torch.tensor([[-3.0, 0.0, 1.0]]))
    assert torch.equal(colors[:, 0, 0], colors[:, 0, 1]) and not torch.equal(colors[:, 0, 1], colors[:, 0, 2])


def test_few_huge_values_leave_color_for_the_others() -> None:
    values = torch.rand(100, 100) + 0.5
    values[0, 0] = 1e6
    assert full_color(values) < 2
    assert full_color(torch.zeros(3, 3)) == 1.0
    spot = torch.zeros(100, 100)
    spot[4, 4] = 5.0
    assert full_color(spot) == 5.0


def test_picture_shows_where_the_map_is_nothing() -> None:
    values = torch.zeros(40, 60)
    values[:, 30:] = 2.0
    drawn = draw_heatmap(heat(values, picture=grey((40, 60))), legend=False)
    assert drawn.size == (40, 60)
    assert torch.equal(drawn.pixels[:, :, :30], grey((40, 30)).pixels)
    assert (drawn.pixels[:, :, 31:].long() - 128).abs().amax() > 60


def test_signed_map_keeps_its_hue_over_a_picture() -> None:
    values = torch.full((20, 20), 0.2)
    values[:10] = -0.2
    drawn = draw_heatmap(heat(values, signed=True), grey((20, 20)), limit=1.0, legend=False).pixels.long()
    assert drawn[2, 4, 4] > drawn[0, 4, 4] + 15 and drawn[0, 14, 4] > drawn[2, 14, 4] + 15


def test_strip_lies_below_and_covers_nothing() -> None:
    values = torch.rand(120, 200)
    plain = draw_map(heat(values), legend=False)
    with_strip = draw_map(heat(values))
    assert with_strip.size[0] > 120 and with_strip.size[1] == 200
    assert torch.equal(with_strip.pixels[:, :120], plain.pixels)
    assert with_strip.pixels[:, 120:].unique().numel() > 20
    assert draw_map(heat(torch.rand(4, 6))).size[1] == 6


def test_longest_side_and_another_picture() -> None:
    made = heat(torch.rand(30, 60), picture=grey((30, 60)))
    assert draw_heatmap(made, longest=120, legend=False).size == (60, 120)
    assert draw_map(made, longest=30, legend=False).size == (15, 30)
    with pytest.raises(ValueError, match="cannot be drawn over a picture"):
        draw_heatmap(made, grey((30, 61)))
    with pytest.raises(ValueError, match="no picture"):
        draw_heatmap(heat(torch.rand(3, 3)))


def test_pattern_of_three_colors() -> None:
    channels = torch.zeros(3, 10, 10)
    channels[0, 2:4] = 1.0
    channels[1, 6:8] = -1.0
    drawn = draw_pattern(heat(torch.zeros(10, 10), channels=channels))
    assert drawn is not None
    assert drawn.pixels[:, 2, 0].tolist() == [255, 128, 128] and drawn.pixels[:, 6, 0].tolist() == [
        128,
        0,
        128,
    ]
    assert draw_pattern(heat(torch.zeros(10, 10))) is None
