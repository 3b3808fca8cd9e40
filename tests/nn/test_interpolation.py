"""Interpolation as the guide explains it: the numbers of its page, computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ocellus.nn.upsampling import Upsampling, bilinear_kernel

LINE = torch.tensor([0.0, 0, 1, 2, 3, 4, 5, 6, 6])  # 0, 3, 6 enlarged by 3, at (j + 1/2) / 3 - 1/2


def test_a_line_of_three_becomes_nine() -> None:
    found = F.interpolate(torch.tensor([[[0.0, 3, 6]]]), scale_factor=3, mode="linear", align_corners=False)
    assert torch.allclose(found[0, 0], LINE, atol=1e-6)


def test_a_map_of_nine_becomes_eighty_one() -> None:
    coarse = torch.tensor([[0.0, 3, 6], [9, 12, 15], [18, 21, 24]])
    found = F.interpolate(coarse[None, None], scale_factor=3, mode="bilinear", align_corners=False)[0, 0]
    assert torch.allclose(found, 3 * LINE[:, None] + LINE, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_a_transposed_convolution_with_a_tent_interpolates(factor: int) -> None:
    torch.manual_seed(0)
    coarse = torch.randn(1, 2, 5, 6)
    layer = Upsampling(2, factor, learned=False)
    cut = (len(bilinear_kernel(factor)) - factor) // 2
    rows, columns = 5 * factor, 6 * factor
    found = layer(coarse)[..., cut : cut + rows, cut : cut + columns]
    wanted = F.interpolate(coarse, scale_factor=factor, mode="bilinear", align_corners=False)
    inner = (..., slice(factor, -factor), slice(factor, -factor))  # the rim fades to zero
    assert torch.allclose(found[inner], wanted[inner], atol=1e-6)


def test_uneven_overlap_makes_a_checkerboard_and_a_tent_does_not() -> None:
    flat = torch.ones(1, 1, 8, 8)
    uneven = F.conv_transpose2d(flat, torch.ones(1, 1, 3, 3), stride=2)[0, 0, 2:-2, 2:-2]
    assert sorted(uneven.unique().tolist()) == [1, 2, 4]
    even = Upsampling(1, 2, learned=False)(flat)[0, 0, 2:-2, 2:-2]
    assert torch.allclose(even, torch.ones_like(even))
