"""The pointing game and localisation, by hand."""

from __future__ import annotations

from math import isnan

import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.metrics.pointing import covered, localisation_accuracy, localised, pointing_hit, share_inside
from ocellus.values import Heatmap


def peak(row: int, column: int) -> torch.Tensor:
    values = torch.zeros(20, 30)
    values[row, column] = 1.0
    return values


def test_peak_on_an_object_hits_and_beside_it_within_the_tolerance() -> None:
    boxes = torch.tensor([[5.0, 4.0, 10.0, 8.0], [20.0, 10.0, 28.0, 18.0]])
    assert pointing_hit(peak(4, 5), boxes=boxes) and pointing_hit(peak(17, 27), boxes=boxes)
    assert not pointing_hit(peak(8, 5), boxes=boxes)
    assert pointing_hit(peak(8, 5), boxes=boxes, tolerance=1)
    assert not pointing_hit(peak(12, 10), boxes=boxes, tolerance=4.9)  # 5 rows below, 1 column beside
    assert pointing_hit(peak(12, 10), boxes=boxes, tolerance=5.2)


def test_masks_count_their_pixels_alone() -> None:
    masks = torch.zeros(2, 20, 30, dtype=torch.bool)
    masks[0, 5, 5:9] = True
    assert pointing_hit(peak(5, 8), masks=masks) and not pointing_hit(peak(6, 8), masks=masks)


def test_map_that_says_nothing_misses() -> None:
    everywhere = torch.tensor([[0.0, 0.0, 30.0, 20.0]])
    assert not pointing_hit(torch.zeros(20, 30), boxes=everywhere)
    assert not pointing_hit(torch.ones(20, 30), boxes=everywhere)
    assert not pointing_hit(peak(3, 3), boxes=torch.zeros(0, 4), tolerance=99)


def test_share_inside_counts_what_speaks_for_the_answer() -> None:
    values = torch.full((10, 10), 1.0)
    values[:, 5:] = -3.0
    assert share_inside(values, boxes=torch.tensor([[0.0, 0.0, 5.0, 5.0]])) == pytest.approx(0.5)
    assert isnan(share_inside(-values.abs(), boxes=torch.tensor([[0.0, 0.0, 5.0, 5.0]])))


def test_boxes_over_the_border_and_parts_of_pixels() -> None:
    there = covered((4, 5), boxes=torch.tensor([[-3.0, 1.5, 1.2, 99.0]]))
    assert there.sum() == 3 * 2 and there[1:, :2].all()
    assert not covered((4, 5), boxes=torch.tensor([[-9.0, -9.0, -3.0, -3.0]])).any()


def test_localisation_asks_for_half_an_overlap() -> None:
    truth = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    assert localised(torch.tensor([0.0, 0.0, 10.0, 5.0]), truth)  # exactly a half
    assert not localised(torch.tensor([0.0, 0.0, 10.0, 4.9]), truth)
    assert localised(torch.tensor([21.0, 0.0, 30.0, 10.0]), truth)
    assert not localised(None, truth) and not localised(torch.ones(4), torch.zeros(0, 4))


def test_accuracy_of_each_share() -> None:
    values = torch.zeros(20, 30)
    values[5:15, 5:15] = 0.3
    values[8:11, 8:11] = 1.0
    heat = Heatmap(values=values, method="gradcam", target="class cat")
    truth = torch.tensor([[5.0, 5.0, 15.0, 15.0]])
    found = localisation_accuracy([heat, heat], [truth, truth + 40], shares=(0.2, 0.5))
    assert found == {0.2: 0.5, 0.5: 0.0}


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(OcellusError, match="give one of them"):
        pointing_hit(peak(1, 1))
    with pytest.raises(OcellusError, match="must be the same"):
        pointing_hit(peak(1, 1), masks=torch.zeros(1, 4, 4, dtype=torch.bool))
    with pytest.raises(OcellusError, match="0 maps"):
        localisation_accuracy([], [])
