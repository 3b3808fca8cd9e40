"""Insertion and deletion on networks whose answer is known by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.explanations import areas, baseline_of, deletion, insertion

SIDE = 8


def square() -> Tensor:
    """(8, 8): the 16 pixels that matter."""
    there = torch.zeros(SIDE, SIDE)
    there[2:6, 2:6] = 1.0
    return there


def bright(images: Tensor) -> Tensor:
    """A network that answers with the mean brightness of the square: linear, so that all is known."""
    return (images.mean(dim=1) * square()).sum(dim=(1, 2)) / 16


WHITE = torch.ones(1, 3, SIDE, SIDE)


def test_deletion_falls_with_each_pixel_of_the_right_map() -> None:
    curve = deletion(bright, WHITE, square(), baseline="0", steps=64)
    assert curve.shares[0] == 0 and curve.shares[-1] == 1 and len(curve.values) > 40
    assert curve.shares[:3] == (0, 1 / 64, 2 / 64)
    assert curve.values == pytest.approx([max(0.0, 1 - 4 * share) for share in curve.shares], abs=1e-6)
    assert curve.area == pytest.approx(16 / 64 / 2, abs=1e-6)  # a triangle
    assert (curve.whole, curve.empty) == pytest.approx((1.0, 0.0))


def test_insertion_is_its_mirror_for_a_linear_network() -> None:
    rising = insertion(bright, WHITE, square(), baseline="0", steps=64)
    assert rising.area == pytest.approx(1 - 16 / 64 / 2, abs=1e-6)
    assert (rising.whole, rising.empty) == pytest.approx((1.0, 0.0))
    assert rising.values[0] == pytest.approx(0.0)


def test_wrong_map_and_thrown_map_are_worse() -> None:
    right, wrong = (deletion(bright, WHITE, values, baseline="0") for values in (square(), -square()))
    thrown = deletion(bright, WHITE, torch.zeros(SIDE, SIDE), baseline="0")
    assert right.area < 0.15 < 0.35 < thrown.area < 0.65 < 0.85 < wrong.area


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_batches_change_nothing_and_are_not_exceeded(batch: int) -> None:
    seen: list[int] = []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return bright(images)

    values = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    curve = deletion(counted, WHITE, values, steps=10, batch=batch)
    assert curve.values == deletion(bright, WHITE, values, steps=10).values
    assert max(seen) <= batch and sum(seen) == 11


def test_padding_is_never_touched() -> None:
    padded = torch.ones(1, 3, 12, 16)

    def corner(images: Tensor) -> Tensor:
        assert torch.equal(images[:, :, SIDE:], torch.ones(len(images), 3, 4, 16))
        assert torch.equal(images[:, :, :, SIDE:], torch.ones(len(images), 3, 12, 8))
        return images[:, :, :SIDE, :SIDE].mean(dim=(1, 2, 3))

    curve = deletion(corner, padded, square(), baseline="0", steps=4)
    assert curve.values == pytest.approx((1, 15 / 16, 0.75, 7 / 16, 0))


def test_relative_curve_is_free_of_scale_and_says_when_it_means_nothing() -> None:
    plain = deletion(bright, WHITE, square(), baseline="0")
    scaled = deletion(lambda images: 40 * bright(images) - 7, WHITE, square(), baseline="0")
    assert scaled.relative().area == pytest.approx(plain.area, abs=1e-5)
    blind = deletion(lambda images: torch.full((len(images),), 3.0), WHITE, square(), baseline="0")
    assert blind.relative().area != blind.relative().area  # nan


def test_baselines() -> None:
    image = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(1))
    mean = baseline_of(image, "mean")
    assert torch.allclose(mean[1, 2], image[1, 2].mean().expand(40, 30))
    blurred = baseline_of(image, "blur")
    assert torch.allclose(blurred.mean(dim=(2, 3)), image.mean(dim=(2, 3)), atol=0.02)
    assert blurred.std() < 0.3 * image.std()
    assert torch.equal(baseline_of(image, "0.25"), torch.full_like(image, 0.25))
    assert torch.equal(baseline_of(image, torch.zeros(1, 3, 1, 1)), torch.zeros_like(image))
    part = baseline_of(image, "mean", size=(20, 10))
    assert torch.equal(part[:, :, 20:], image[:, :, 20:]) and torch.equal(
        part[:, :, :, 10:], image[:, :, :, 10:]
    )
    assert torch.allclose(part[0, 0, :20, :10], image[0, 0, :20, :10].mean().expand(20, 10))


def test_areas_have_the_difference_of_both_kinds() -> None:
    down, up = (make(bright, WHITE, square(), baseline="0", steps=64) for make in (deletion, insertion))
    found = areas({"deletion/0": down, "insertion/0": up, "insertion/mean": up})
    assert found["insertion - deletion"] == pytest.approx(up.area - down.area)
    assert "insertion - deletion" not in areas({"deletion/0": down})


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(OcellusError, match="no baseline 'gray'"):
        deletion(bright, WHITE, square(), baseline="gray")
    with pytest.raises(OcellusError, match="at most as large"):
        deletion(bright, WHITE, torch.rand(9, 8))
