"""Pooling and the Haar transform: exact inverses, isometries, and convolutions over their bands."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ocellus.nn import framelets
from ocellus.nn.framelets import Part, convolved, haar, inverse_haar, pool, synthesized, unpool, upsampled


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_haar_by_hand() -> None:
    low, high = haar(torch.tensor([[[[1.0, 2.0], [3.0, 8.0]]]]))
    assert low.flatten().tolist() == [3.5]
    assert high.flatten().tolist() == [-2.0, -1.5, 1.0]  # (3-11)/4, (-1-5)/4, (-1+5)/4
    again = inverse_haar(low, high)
    assert again.flatten().tolist() == [1.0, 2.0, 3.0, 8.0]


def test_haar_is_inverted_and_keeps_lengths() -> None:
    features = random(2, 3, 8, 10)
    low, high = haar(features)
    torch.testing.assert_close(inverse_haar(low, high), features)
    torch.testing.assert_close(low, pool(features))
    # T_k are orthonormal: twice the analysis here is T_k transposed
    energy = (2 * low).square().sum() + (2 * high).square().sum()
    torch.testing.assert_close(energy, features.square().sum())


def test_pooling_is_a_projection() -> None:
    """ΦᵀΦ = I, so ΦΦᵀ is idempotent: with Φᵀ = 2 pool and Φ = unpool / 2."""
    features, low = random(1, 2, 6, 6), random(1, 2, 3, 3)
    torch.testing.assert_close(2 * pool(unpool(low) / 2), low)
    once = unpool(pool(features))
    torch.testing.assert_close(unpool(pool(once)), once)
    # and Φ is the transpose of Φᵀ: <Φᵀ x, y> = <x, Φ y>
    torch.testing.assert_close((2 * pool(features) * low).sum(), (features * unpool(low) / 2).sum())


def test_dual_is_the_inverse_of_the_frame() -> None:
    """(I - ½ΦΦᵀ, ½Φ) is (I + ΦΦᵀ)⁻¹ (I, Φ), computed here by solving the whole linear system."""
    side = 4
    eye = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    analysis = (2 * pool(eye)).flatten(1)  # row x: Φᵀ e_x, so Φ is (pixels, blocks)
    frame = torch.cat([torch.eye(side * side, dtype=torch.float64), analysis], dim=1)  # (I, Φ)
    dual = torch.linalg.solve(frame @ frame.T, frame)
    ours = torch.cat([eye.flatten(1) - 0.5 * unpool(pool(eye)).flatten(1), 0.5 * analysis], dim=1)
    torch.testing.assert_close(ours, dual)


@pytest.mark.parametrize("few", [0, 1 << 30], ids=["transposed", "enlarged"])
@pytest.mark.parametrize("padding", [0, 1])
def test_convolution_over_parts_is_that_of_enlarged_channels(
    monkeypatch: pytest.MonkeyPatch, few: int, padding: int
) -> None:
    monkeypatch.setattr(framelets, "FEW", few)
    features = random(2, 3, 8, 6)
    low, high = haar(random(2, 3, 8, 6))
    parts = (Part(features), Part(low, 0), Part(high, 1, 3))
    weight, bias = random(4, 15, 3, 3), random(4)
    together = torch.cat([upsampled(part) for part in parts], dim=1)
    assert together.shape == (2, 15, 8, 6)
    wanted = F.conv2d(together, weight, bias, padding=padding)
    torch.testing.assert_close(convolved(parts, weight, bias, padding=padding), wanted)


def test_bands_of_channels_stay_apart() -> None:
    """Band after band, each with all channels."""
    low, high = haar(random(1, 2, 4, 4))
    whole = upsampled(Part(high, 1, 3))
    for band in range(3):
        alone = synthesized(Part(high[:, 2 * band : 2 * band + 2], 1 + band, 1))
        torch.testing.assert_close(whole[:, 2 * band : 2 * band + 2], alone)
    assert low.shape == (1, 2, 2, 2)
