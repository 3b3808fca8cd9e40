"""Alpha, colors and calm on composites whose truth is known; the plain way fails each bound."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.nn import matting

SIDE = 160


def disc(side: int = SIDE, *, radius: float = 0.3, soft: float = 3.0, shift: float = 0.0) -> Tensor:
    """(1, 1, side, side) alpha of a disc whose edge is `soft` pixels wide."""
    places = torch.arange(side) + 0.5
    away = torch.hypot(places[:, None] - side / 2, places - side / 2 - shift)
    return ((radius * side - away) / soft + 0.5).clamp(0, 1)[None, None]


def flat(*color: float, side: int = SIDE) -> Tensor:
    return torch.tensor(color)[None, :, None, None].expand(1, 3, side, side)


def composite(alpha: Tensor, front: Tensor, back: Tensor) -> Tensor:
    return alpha * front + (1 - alpha) * back


def waves(*, phase: float, side: int = SIDE) -> Tensor:
    """Colors that change smoothly over the picture."""
    places = torch.linspace(0, 3, side)
    rows, columns = places[:, None], places
    parts = [0.5 + 0.3 * torch.sin(rows * a + columns * b + phase) for a, b in ((1, 2), (2, -1), (1.5, 1))]
    return torch.stack(parts)[None]


def edge(alpha: Tensor) -> Tensor:
    """(H, W) bool, where a pixel is partly covered."""
    return ((alpha > 0.02) & (alpha < 0.98))[0, 0]


def test_resized_bytes_to_any_size() -> None:
    values = torch.randint(0, 256, (1, 3, 9, 7), dtype=torch.uint8)
    for size in ((1, 1), (1, 5), (3, 1), (9, 7), (20, 30), (4, 30)):
        assert matting.resized(values, size).shape == (1, 3, *size)
    mean = values.float().mean((2, 3)).round()
    assert torch.equal(matting.resized(values, (1, 1))[:, :, 0, 0].float(), mean)


def test_box_mean_is_the_mean_of_what_is_there() -> None:
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    found = matting.box_mean(values, 1)[0, 0]
    assert found[0, 0] == pytest.approx((0 + 1 + 4 + 5) / 4)
    assert found[1, 1] == pytest.approx((0 + 1 + 2 + 4 + 5 + 6 + 8 + 9 + 10) / 9)
    assert found[2, 3] == pytest.approx((6 + 7 + 10 + 11) / 4)
    assert torch.allclose(matting.box_mean(values, 9), values.mean().expand(1, 1, 3, 4))


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 6, 30])
def test_windows_are_those_of_pooling(radius: int) -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 3, 17, 11)
    side = 2 * radius + 1
    mean = F.avg_pool2d(values, side, 1, radius, count_include_pad=False)
    torch.testing.assert_close(matting.box_mean(values, radius), mean, atol=1e-6, rtol=1e-5)
    assert torch.equal(matting.box_max(values, radius), F.max_pool2d(values, side, 1, radius))


@pytest.mark.parametrize("channels", [1, 3])
def test_guided_filter_solves_its_equation(channels: int) -> None:
    """At full resolution and one window over all: a and b are those of least squares with a ridge."""
    torch.manual_seed(0)
    guide, mask = torch.rand(1, channels, 6, 6), torch.rand(1, 1, 6, 6)
    found = matting.guided_filter(guide, mask, radius=6, smoothness=0.01)
    colors, target = guide[0].flatten(1).T.double(), mask.flatten().double()
    middle = colors.mean(0)
    covariance = (colors - middle).T @ (colors - middle) / 36 + 0.01 * torch.eye(channels)
    slope = torch.linalg.solve(covariance, (colors - middle).T @ (target - target.mean()) / 36)
    wanted = ((colors - middle) @ slope + target.mean()).clamp(0, 1)
    torch.testing.assert_close(found.flatten().double(), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("shrink", "share"), [(4, 0.45), (8, 0.75)])
def test_refined_finds_the_edge_that_a_coarse_mask_lost(shrink: int, share: float) -> None:
    """A dozen thin rays of 3 pixels: the mask enlarged has them blurred, the refined one sharp again."""
    angle = torch.atan2(*torch.meshgrid(torch.arange(SIDE) - 79.5, torch.arange(SIDE) - 79.5, indexing="ij"))
    rays = (torch.cos(9 * angle) > 0.5).float()[None, None]
    alpha = F.avg_pool2d(torch.maximum(rays * disc(radius=0.45), disc(radius=0.2)), 3, 1, 1)
    images = composite(alpha, flat(0.9, 0.7, 0.6), waves(phase=1.0) * 0.5)
    coarse = F.avg_pool2d(alpha, shrink).round()  # 0 or 1, of blocks
    plain = F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    fine = matting.refined(images, coarse)
    before, after = (plain - alpha).abs().mean(), (fine - alpha).abs().mean()
    assert after < share * before, (float(before), float(after))
    assert fine.shape == (1, 1, SIDE, SIDE) and fine.min() >= 0 and fine.max() <= 1


def test_refined_leaves_no_fog_where_colors_are_shared() -> None:
    """A patch of the subject's color far from it: the filter alone takes some of it, the bounds none."""
    alpha = disc(radius=0.25)
    images = composite(alpha, flat(0.9, 0.2, 0.2), flat(0.2, 0.4, 0.8)).clone()
    images[:, :, :12, :12] = flat(0.9, 0.2, 0.2, side=12)
    fine = matting.refined(images, F.avg_pool2d(alpha, 4), radius=4)
    assert float(fine[..., :24, :24].max()) == 0
    assert float(fine[..., 70:90, 70:90].min()) == 1


def test_sizes_down_to_one_pixel() -> None:
    for height, width in ((1, 1), (1, 40), (7, 3)):
        images, mask = torch.rand(1, 3, height, width), torch.rand(1, 1, max(1, height // 2), 1)
        assert matting.refined(images, mask).shape == (1, 1, height, width)
        front, back = matting.split_colors(images, torch.rand(1, 1, height, width))
        assert front.isfinite().all() and back.isfinite().all()


@pytest.mark.parametrize("varied", [False, True])
def test_spill_is_removed(varied: bool) -> None:
    """A subject in front of a green screen with an edge of 12 pixels: its own color comes back."""
    alpha = disc(soft=12)
    own = waves(phase=0.5) if varied else flat(0.8, 0.5, 0.4)
    green = flat(0.05, 0.75, 0.15)
    images = composite(alpha, own, green)
    front, back = matting.split_colors(images, alpha)
    band = ((alpha > 0.1) & (alpha < 0.98))[0, 0]
    kept = (images - own).abs().mean(1)[0][band].mean()
    left = (front - own).abs().mean(1)[0][band].mean()
    assert kept > 0.1  # the plain way: the picture's colors as they are
    assert left < (0.35 if varied else 0.02) * kept, (float(kept), float(left))
    assert (back - green).abs()[:, :, alpha[0, 0] < 0.9].mean() < 0.02
    # The two colors still make the picture.
    torch.testing.assert_close(composite(alpha, front, back), images, atol=0.02, rtol=0)
    assert torch.equal(front[:, :, alpha[0, 0] == 1], images[:, :, alpha[0, 0] == 1])


def test_colors_make_the_picture_but_where_they_had_to_be_cut_off() -> None:
    """I = alpha F + (1 - alpha) B to rounding where neither color is at 0 or 1, and only there."""
    torch.manual_seed(0)
    alpha, images = torch.rand(1, 1, 40, 40), torch.rand(1, 3, 40, 40)
    front, back = matting.split_colors(images, alpha)
    error = (composite(alpha, front, back) - images).abs()
    whole = (front > 0) & (front < 1) & (back > 0) & (back < 1)
    assert 0.2 < whole.float().mean() < 0.95
    assert error[whole].max() < 1e-5 < 0.05 < error[~whole].max()


def test_smoothing_holds_still_and_follows() -> None:
    torch.manual_seed(0)
    scene = composite(disc(), flat(0.9, 0.9, 0.9), waves(phase=2.0) * 0.4)
    raw, calm, state = [], [], None
    for _ in range(12):  # nothing moves; the masks are unsteady, the pictures a little noisy
        alpha = (disc() + 0.2 * torch.randn(1, 1, SIDE, SIDE)).clamp(0, 1)
        noisy = (scene + 0.01 * torch.randn_like(scene)).clamp(0, 1)
        answer, state = matting.smoothed(alpha, noisy, state)
        raw.append((alpha, noisy))
        calm.append((answer, noisy))

    def unrest(frames: list[tuple[Tensor, Tensor]]) -> float:
        pairs = pairwise(frames[3:])
        return sum(matting.flicker(b[0], a[0], b[1], a[1], still=0.05) for a, b in pairs)

    assert unrest(calm) < 0.25 * unrest(raw)
    # The subject jumps aside: the answer is there at once, without a ghost where it was.
    alpha = disc(shift=50)
    moved = composite(alpha, flat(0.9, 0.9, 0.9), waves(phase=2.0) * 0.4)
    answer, _ = matting.smoothed(alpha, moved, state)
    changed = (alpha - disc()).abs() > 0.5
    assert (answer - alpha).abs()[changed].mean() < 0.01
    assert (state.alpha - alpha).abs()[changed].mean() > 0.8  # what no gate would mostly have kept


def test_smoothing_starts_anew_with_another_size_and_when_off() -> None:
    alpha, images = disc(), waves(phase=0.0)
    _, state = matting.smoothed(alpha, images, None)
    small = disc(80)
    answer, _ = matting.smoothed(small, waves(phase=0.0, side=80), state)
    assert torch.equal(answer, small)
    other = disc(shift=3)
    assert torch.equal(matting.smoothed(other, images, state, keep=0)[0], other)
    assert not torch.equal(matting.smoothed(other, images, state)[0], other)


def test_flicker_counts_unchanged_pixels_alone() -> None:
    before, after = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.5, 0.1], [0.0, 1.0]]]])
    images = torch.zeros(1, 3, 2, 2)
    moved = images.clone()
    moved[0, 1, 1, 1] = 0.5
    assert matting.flicker(after, before, moved, images) == pytest.approx(0.2)
    assert isnan(matting.flicker(after, before, images + 1, images))
