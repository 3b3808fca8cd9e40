"""A blurred background that the subject never bleeds into; distances by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ocellus.nn import bokeh

SIDE = 200


def subject(*, soft: float = 4.0) -> Tensor:
    """(1, 1, SIDE, SIDE) alpha of a disc."""
    places = torch.arange(SIDE) + 0.5 - SIDE / 2
    return ((45 - torch.hypot(places[:, None], places)) / soft + 0.5).clamp(0, 1)[None, None]


def dark() -> Tensor:
    """(1, 3, SIDE, SIDE) stripes from 0.05 to 0.15."""
    places = torch.arange(SIDE)
    stripes = 0.10 + 0.05 * torch.sin(places * 0.7)
    return stripes.expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize("sigma", [3.0, 12.0, 40.0])
@pytest.mark.parametrize("depth", [False, True])
def test_white_subject_leaves_no_halo(sigma: float, depth: bool) -> None:
    alpha = subject()
    images = alpha + (1 - alpha) * dark()
    if depth:
        found = bokeh.depth_blurred_background(images, alpha, bokeh.guessed_depth(alpha), sigma=sigma)
    else:
        found = bokeh.blurred_background(images, alpha, sigma=sigma)
    around = (alpha == 0)[0, 0]
    plain = bokeh.gaussian(images, sigma)[:, :, around]
    assert float(plain.max()) > 0.3  # the plain blur: white all around the subject
    # The background has nothing brighter than 0.15; a hair's breadth for the edge's mixed pixels.
    assert float(found[:, :, around].max()) < 0.165
    behind = found[:, :, (alpha > 0)[0, 0]]  # seen where the subject is half there
    assert float(behind.max()) < 0.2 and float(behind.min()) > 0.03


def test_mask_that_is_too_small_by_a_pixel() -> None:
    alpha = subject(soft=1)
    images = alpha + (1 - alpha) * dark()
    tight = subject(soft=1)
    tight = -torch.nn.functional.max_pool2d(-tight, 3, 1, 1)  # a ring of white is taken for background
    bare = bokeh.blurred_background(images, tight, sigma=6, margin=0)
    safe = bokeh.blurred_background(images, tight, sigma=6, margin=2)
    around = (alpha == 0)[0, 0]
    assert float(bare[:, :, around].max()) > 0.18 > 0.16 > float(safe[:, :, around].max())


def test_blur_is_a_gaussian_where_there_is_no_subject() -> None:
    from scipy.ndimage import gaussian_filter

    torch.manual_seed(0)
    images = torch.rand(1, 3, 96, 120)
    nothing = torch.zeros(1, 1, 96, 120)
    for sigma in (2.0, 5.0):
        found = bokeh.blurred_background(images, nothing, sigma=sigma)[0, 0]
        wanted = torch.from_numpy(gaussian_filter(images[0, 0].numpy(), sigma, mode="nearest"))
        inner = (slice(20, -20), slice(20, -20))
        assert (found - wanted)[inner].abs().max() < 0.03
        assert (images[0, 0] - wanted)[inner].abs().mean() > 0.15


def test_all_subject_and_all_background() -> None:
    images = dark()
    everywhere = torch.ones(1, 1, SIDE, SIDE)
    assert bokeh.blurred_background(images, everywhere, sigma=9).isfinite().all()
    assert (bokeh.guessed_depth(torch.zeros_like(everywhere)) == 1).all()
    assert (bokeh.guessed_depth(everywhere) >= 0).all()


def test_distance_by_hand() -> None:
    place = torch.zeros(1, 1, 4, 6, dtype=torch.bool)
    place[0, 0, 1, 2] = place[0, 0, 3, 5] = True
    found = bokeh.distance(place)[0, 0]
    for row in range(4):
        for column in range(6):
            first = ((row - 1) ** 2 + (column - 2) ** 2) ** 0.5
            second = ((row - 3) ** 2 + (column - 5) ** 2) ** 0.5
            assert found[row, column] == pytest.approx(min(first, second), abs=1e-5)


def test_depth_grows_away_and_up() -> None:
    alpha = torch.zeros(1, 1, 60, 60)
    alpha[..., 20:50, 25:35] = 1
    depth = bokeh.guessed_depth(alpha)[0, 0]
    assert depth.shape == (60, 60)
    assert depth[49, 36] < 0.1  # the ground beside the feet
    assert depth[49, 36] < depth[49, 50] < depth[25, 50] <= depth[5, 55]
    assert depth[55, 30] < 0.3 and depth[5, 55] > 0.9


def test_depth_blurs_what_is_far_more() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, SIDE, SIDE)
    nothing = torch.zeros(1, 1, SIDE, SIDE)
    ramp = torch.linspace(1, 0, SIDE)[None, None, :, None].expand(1, 1, SIDE, SIDE)
    found = bokeh.depth_blurred_background(images, nothing, ramp, sigma=8)
    roughness = found.diff(dim=3).abs().mean((0, 1, 3))
    assert roughness[:20].mean() < 0.4 * roughness[-20:].mean()
