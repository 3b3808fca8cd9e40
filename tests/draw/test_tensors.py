"""Tensors as pictures: sizes, sharp cells, bars as long as their shares, points where they are."""

from __future__ import annotations

import pytest
import torch

from ocellus.draw.heatmap import colorize
from ocellus.draw.tensors import (
    BAR,
    PANEL,
    draw_bars,
    draw_boxes,
    draw_channels,
    draw_maps,
    draw_points,
    draw_table,
)
from ocellus.nn.roi_points import roi_points
from ocellus.values import Picture


def count(picture: Picture, color: tuple[int, int, int]) -> int:
    return int((picture.pixels == torch.tensor(color, dtype=torch.uint8)[:, None, None]).all(dim=0).sum())


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 7, 9])
def test_channels_stand_beside_the_strength(channels: int) -> None:
    drawn = draw_channels(torch.rand(12, 16), torch.rand(channels, 12, 16), width=240)
    height, width = drawn.size
    assert width == pytest.approx(240, abs=6) and height == pytest.approx(90 if channels else 180, abs=6)


def test_cells_stay_sharp_and_share_one_scale() -> None:
    maps = torch.tensor([[[0.0, 1.0]], [[0.0, 2.0]]])
    drawn = draw_maps(maps, columns=2, width=84)
    assert drawn.size == (20, 84)
    left = drawn.pixels[:, :, :40]
    assert len(left.flatten(1).T.unique(dim=0)) == 2
    last = colorize(torch.tensor([[2.0]]), limit=2.0)[:, 0, 0]
    assert torch.equal(drawn.pixels[:, 10, 80], last) and not torch.equal(drawn.pixels[:, 10, 30], last)


def test_vectors_go_over_several_lines() -> None:
    assert draw_table(torch.rand(1, 100), width=320).size == (40, 320)  # 4 lines of 32
    assert draw_table(torch.rand(6, 12), width=120).size == (60, 120)
    assert draw_table(torch.zeros(1, 1)).size[1] == 480


def test_bars_are_as_long_as_their_shares() -> None:
    drawn = draw_bars([("cat", 1.0), ("dog", 0.5), ("", 0.0)], width=400)
    rows = drawn.pixels.permute(1, 2, 0)
    lengths = [int((row == torch.tensor(BAR, dtype=torch.uint8)).all(dim=1).sum()) for row in rows]
    full = max(lengths)
    assert full > 100 and any(abs(length - full / 2) <= 2 for length in lengths)
    assert lengths[0] == lengths[-1] == 0
    assert draw_bars([]).size[1] == 480 and count(draw_bars([]), BAR) == 0 and count(draw_bars([]), PANEL) > 0


def test_surest_box_is_on_top() -> None:
    black = Picture(pixels=torch.zeros(3, 50, 100, dtype=torch.uint8))
    boxes = torch.tensor([[10.0, 10.0, 40.0, 40.0], [10.0, 10.0, 40.0, 40.0]])
    drawn = draw_boxes(black, boxes, torch.tensor([0.1, 0.9]), longest=100)
    expected = colorize(torch.tensor([[0.9]]), limit=1.0)[:, 0, 0].long()
    assert (drawn.pixels[:, 10, 25].long() - expected).abs().max() < 12
    assert draw_boxes(black, torch.zeros(0, 4), torch.zeros(0), longest=100).size == (50, 100)


def test_points_lie_inside_their_box() -> None:
    black = Picture(pixels=torch.zeros(3, 100, 100, dtype=torch.uint8))
    box = torch.tensor([20.0, 30.0, 80.0, 90.0])
    drawn = draw_points(black, box, roi_points(box, output_size=3, stride=4), side=480)
    assert max(drawn.size) == 480
    bright = (drawn.pixels.amax(dim=0) > 200).nonzero()
    assert len(bright) > 36
    border = draw_points(
        black,
        torch.tensor([-5.0, -5.0, 3.0, 2.0]),
        roi_points(torch.tensor([0.0, 0, 3, 2]), output_size=2, stride=4),
    )
    assert max(border.size) == 480
