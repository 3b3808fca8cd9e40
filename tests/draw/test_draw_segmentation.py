"""Drawings of label maps: the right color at the right pixel, and a legend of what is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocellus.draw.segmentation import (
    HEAT,
    UNSURE,
    WRONG,
    _rows,
    class_colors,
    draw_mistakes,
    draw_segmentation,
    draw_uncertainty,
    meeting,
)
from ocellus.values import Picture, Segmentation
from ocellus.values.html import color

NAMES = ("background", "road", "car")
COLORS = ((0, 0, 0), (10, 200, 30), (250, 20, 20))


def grey(height: int = 60, width: int = 80) -> Picture:
    return Picture(pixels=torch.full((3, height, width), 100, dtype=torch.uint8), path="street.jpg")


def thirds(*, colors: tuple[tuple[int, int, int], ...] = COLORS) -> Segmentation:
    """Background on the left, then road, then car; the last columns are ignored."""
    labels = torch.zeros(60, 80, dtype=torch.uint8)
    labels[:, 25:50] = 1
    labels[:, 50:75] = 2
    labels[:, 75:] = 255
    confidence = torch.full((60, 80), 1.0, dtype=torch.float16)
    return Segmentation(labels=labels, confidence=confidence, names=NAMES, colors=colors)


def test_classes_have_the_colors_of_the_data_and_the_background_is_left_alone() -> None:
    drawn = draw_segmentation(grey(), thirds(), fill=0.5, legend=False)
    assert drawn.path == "street.jpg"
    pixels = drawn.pixels
    assert (pixels[:, :, :24] == 100).all() and (pixels[:, :, 76:] == 100).all()
    assert pixels[:, 30, 37].tolist() == [55, 150, 65] and pixels[:, 30, 62].tolist() == [175, 60, 60]
    edge = pixels[:, 30, 50].int() - torch.tensor(COLORS[2])
    assert edge.abs().max() <= 8, "a line of the class's own color where it ends"
    assert (pixels[:, 30, 49].int() - torch.tensor(COLORS[1])).abs().max() <= 8
    plain = draw_segmentation(grey(), thirds(), fill=0.5, legend=False, outlines=False)
    assert plain.pixels[:, 30, 50].tolist() == [175, 60, 60]


def test_colors_are_chosen_where_the_data_has_none() -> None:
    assert class_colors(COLORS[:2], 4) == [*COLORS[:2], color(2), color(3)]
    chosen = class_colors((), 24)
    gaps = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(chosen) for b in chosen[:i]]
    assert min(gaps) >= 24, "no two of 24 classes look alike"


def test_the_legend_names_what_is_there_and_no_more() -> None:
    rows = _rows(thirds(), 10)
    assert [name for _, name, _ in rows] == ["background", "road", "car"]
    assert [share for _, _, share in rows] == ["33 %", "33 %", "33 %"]
    assert rows[1][0] == COLORS[1]
    labels = torch.arange(40, dtype=torch.uint8).repeat_interleave(10).view(20, 20)
    many = Segmentation(labels=labels)
    assert len(_rows(many, 5)) == 5 and _rows(many, 5)[-1][1] == "and 36 more"
    assert _rows(many, 0) == []
    only = _rows(Segmentation(labels=torch.full((9, 9), 2, dtype=torch.uint8), names=NAMES), 10)
    assert [name for _, name, _ in only] == ["car"]


@pytest.mark.parametrize("size", [(360, 480), (1080, 1920), (500, 200), (20, 30), (1, 1)])
def test_the_legend_stays_in_its_corner(size: tuple[int, int]) -> None:
    labels = (torch.arange(size[0] * size[1]).view(size) % 3).to(torch.uint8)
    found = Segmentation(labels=labels, names=("벽", "a very long name of a class that goes on", "c"))
    with_legend = draw_segmentation(grey(*size), found).pixels
    without = draw_segmentation(grey(*size), found, legend=False).pixels
    assert with_legend.shape == without.shape
    rows, columns = torch.nonzero((with_legend != without).any(dim=0), as_tuple=True)
    if min(size) >= 200:
        assert rows.min() >= 0.45 * size[0] and columns.max() <= 0.6 * size[1]


def test_drawn_at_another_size() -> None:
    assert draw_segmentation(grey(), thirds(), longest=40).size == (30, 40)
    assert draw_uncertainty(thirds(), longest=160).size == (120, 160)


def test_uncertainty_is_dark_where_sure_and_bright_where_not() -> None:
    confidence = torch.tensor([[1.0, 0.75, 0.5]], dtype=torch.float16)
    found = Segmentation(labels=torch.zeros(1, 3, dtype=torch.uint8), confidence=confidence, names=("a", "b"))
    drawn = draw_uncertainty(found).pixels[:, 0].float()
    assert drawn[:, 0].tolist() == HEAT[0].tolist() and drawn[:, 2].tolist() == HEAT[-1].tolist()
    luminance = drawn.mean(dim=0)
    assert luminance[0] < luminance[1] < luminance[2]
    with pytest.raises(ValueError, match="has no uncertainty"):
        draw_uncertainty(Segmentation(labels=found.labels))


def test_mistakes_are_red_and_what_is_unsure_is_yellow() -> None:
    truth = thirds()
    labels = truth.labels.clone()
    labels[:, 25:50] = 2
    confidence = torch.ones(60, 80, dtype=torch.float16)
    confidence[:30] = 1 / 3
    found = Segmentation(labels=labels, confidence=confidence, names=NAMES)
    pixels = draw_mistakes(grey(), found, truth).pixels.float()
    right, wrong = pixels[:, 55, 60], pixels[:, 55, 37]
    assert right[0] == right[1] == right[2], "right and sure: grey"
    assert (wrong - torch.tensor(WRONG)).abs().max() < 30
    assert (pixels[:, 5, 60] - torch.tensor(UNSURE)).abs().max() < 30
    assert pixels[:, 55, 78].max() < right.min(), "nothing is annotated: dark"


def test_a_line_is_where_two_classes_meet() -> None:
    labels = np.zeros((5, 6), np.uint8)
    labels[:, 3:] = 1
    assert np.nonzero(meeting(labels, 1).any(axis=0))[0].tolist() == [2, 3]
    assert not meeting(np.zeros((3, 3), np.uint8), 2).any()


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="labels of a 80x60 picture cannot be drawn into one of 30x20"):
        draw_segmentation(grey(20, 30), thirds())
