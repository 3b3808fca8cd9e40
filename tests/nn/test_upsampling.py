"""Transposed convolutions as bilinear interpolation, by hand-computed numbers."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ocellus.nn.upsampling import Upsampling, bilinear_kernel


def test_kernels_by_hand() -> None:
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.equal(bilinear_kernel(2), tent[:, None] * tent)
    tent = torch.tensor([1, 2, 3, 2, 1]) / 3
    torch.testing.assert_close(bilinear_kernel(3), tent[:, None] * tent)
    tent = torch.tensor([1, 3, 5, 7, 7, 5, 3, 1]) / 8
    assert torch.equal(bilinear_kernel(4), tent[:, None] * tent)


def test_two_cells_by_hand() -> None:
    """0 and 4 enlarged twofold: a rim that fades, then 0, 1, 3, 4 between the centres."""
    upsample = Upsampling(1, 2, learned=True)
    row = upsample(torch.tensor([0.0, 4.0]).expand(1, 1, 3, 2))[0, 0, 3]
    assert row.tolist() == [0.0, 0.0, 1.0, 3.0, 3.0, 1.0]
    row = upsample(torch.tensor([4.0, 4.0]).expand(1, 1, 3, 2))[0, 0, 3]
    assert row.tolist() == [1.0, 3.0, 4.0, 4.0, 3.0, 1.0]


def test_inside_it_is_interpolation() -> None:
    features = torch.randn(2, 3, 4, 5)
    for factor in (2, 8, 32):
        wanted = F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)
        rim, half = factor // 2, factor // 2
        for upsample in (
            Upsampling(3, factor, learned=True),
            Upsampling(3, factor, learned=False),
            Upsampling(3, factor, learned=False, mixed=True),
        ):
            found = upsample(features)
            assert found.shape[2:] == (5 * factor, 6 * factor)
            found = found[:, :, half:-half, half:-half]
            inner = (..., slice(rim, -rim), slice(rim, -rim))
            torch.testing.assert_close(found[inner], wanted[inner])


def test_what_learns() -> None:
    learned, fixed = Upsampling(3, 2, learned=True), Upsampling(3, 2, learned=False)
    assert [name for name, _ in learned.named_parameters()] == ["weight"]
    assert not list(fixed.parameters()) and "weight" in fixed.state_dict()
    assert tuple(learned.weight.shape) == (3, 3, 4, 4) and tuple(fixed.weight.shape) == (1, 1, 4, 4)


def test_half_precision_is_reckoned_in_full() -> None:
    features = torch.randn(1, 3, 4, 5)
    for upsample in (Upsampling(3, 8, learned=True), Upsampling(3, 8, learned=False)):
        exact = upsample(features)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(upsample(features), exact)
        rough = upsample.to(torch.bfloat16)(features.bfloat16())
        assert rough.dtype == torch.bfloat16
        torch.testing.assert_close(rough.float(), exact, rtol=0.02, atol=0.05)
