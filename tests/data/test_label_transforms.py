"""Shrinking: a training picture is made smaller as prediction makes it, without false patterns."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from ocellus.data import label_transforms as transforms
from ocellus.data.label_transforms import Labelled, Window


def stripes(height: int = 90, width: int = 120, *, dtype: torch.dtype = torch.uint8) -> Labelled:
    """Columns of one pixel, white and black in turn, with as many classes."""
    column = torch.arange(width) % 2
    labels = column.to(torch.uint8).expand(height, width).contiguous()
    image = (labels * 255)[None] if dtype == torch.uint8 else labels[None].float()
    return Labelled(image.contiguous(), labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_stripes_too_fine_to_be_seen_become_grey(dtype: torch.dtype) -> None:
    """A third of the size: every third pixel alone would be stripes again, three times as broad."""
    example, window = stripes(dtype=dtype), Window((30, 40), 0, 0, (30, 40))
    white = 255 if dtype == torch.uint8 else 1
    for made in (
        transforms.cut(example, window),
        transforms.resize(example, (30, 40)),
        transforms.warp(example, window, degrees=0.0, displacement=None),
        transforms.warp(example, window, degrees=0.0, displacement=torch.full((2, 30, 40), 0.3)),
    ):
        inner = made.image[0, 2:-2, 2:-2] / white
        assert made.image.dtype == dtype and 0.4 < float(inner.min()) <= float(inner.max()) < 0.6


@pytest.mark.parametrize("scaled", [(30, 40), (61, 83), (90, 120), (135, 180)])
def test_smaller_and_larger_are_what_prediction_sees(scaled: tuple[int, int]) -> None:
    image = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(0))
    example = Labelled(image, torch.zeros(90, 120, dtype=torch.uint8))
    seen = interpolate(image[None], size=scaled, mode="bilinear", antialias=scaled[0] < 90)[0]
    torch.testing.assert_close(transforms.resize(example, scaled).image, seen)
    whole = transforms.warp(example, Window(scaled, 0, 0, scaled), degrees=0.0, displacement=None)
    inner = slice(1, -1)  # an enlarged picture fades at its rim
    torch.testing.assert_close(whole.image[:, inner, inner], seen[:, inner, inner], rtol=0, atol=2e-5)
    part = transforms.warp(example, Window(scaled, 7, 9, (20, 16)), degrees=0.0, displacement=None)
    assert (part.image - seen[:, 7:27, 9:25]).abs().mean() < 0.04  # it is shrunk from whole pixels on


def test_a_turned_and_shrunk_picture_lies_where_its_map_does() -> None:
    labels = torch.zeros(200, 200, dtype=torch.uint8)
    labels[40:100, 60:160] = 1
    example = Labelled((labels * 255)[None].contiguous(), labels)
    for degrees in (0.0, 17.0, 90.0, -140.0):
        made = transforms.warp(example, Window((64, 64), 3, 5, (50, 48)), degrees=degrees, displacement=None)
        counted = made.labels != 255
        wrong = ((made.image[0] > 127) != (made.labels == 1)) & counted
        assert (made.labels == 1).any() and int(wrong.sum()) <= 12
