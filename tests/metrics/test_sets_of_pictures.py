"""Diversity, sliced Wasserstein distance and sharpness: by hand, against scipy, and on known changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist
from scipy.stats import wasserstein_distance
from skimage import data
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.diversity import diversity, diversity_per_class, mean_pairwise_distance
from ocellus.metrics.image_quality import luminance
from ocellus.metrics.sharpness import gradients, sharpness
from ocellus.metrics.sliced_wasserstein import _distance, draw_patches, laplacian_pyramid, sliced_wasserstein


def crops(count: int = 24, side: int = 64, *, seed: int = 0) -> Tensor:
    """Parts of a photograph."""
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    dice = np.random.default_rng(seed)
    places = dice.integers(0, 512 - side, (count, 2))
    return torch.stack([photograph[:, y : y + side, x : x + side] for y, x in places])


def blurred(images: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(images.numpy(), (0, 0, sigma, sigma)))


def test_mean_pairwise_distance_is_scipys() -> None:
    features = torch.randn(30, 5)
    assert mean_pairwise_distance(features) == pytest.approx(pdist(features.double().numpy()).mean())


def test_mode_collapse_is_reported() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(80, 8, generator=generator)
    labels = torch.arange(80) % 2
    fake = torch.randn(80, 8, generator=generator)
    fake[labels == 1] = fake[1] + 0.01 * fake[labels == 1]  # nearly the same picture each time
    good, bad = diversity_per_class(fake, labels, real=real, real_labels=labels, names=("cat", "train"))
    assert good.ratio == pytest.approx(1, abs=0.1) and not good.collapsed and good.copies == 0
    assert bad.ratio == pytest.approx(0.01, abs=0.005) and bad.collapsed and bad.copies == 1
    assert bad.samples == (40, 40) and bad.name == "train"


def test_copies_by_hand() -> None:
    real = torch.tensor([[0.0], [10.0]])
    found = diversity(torch.tensor([[0.0], [0.5], [20.0]]), real)
    assert found.copies == pytest.approx(2 / 3)  # 0 and 0.5 are nearer than a tenth of 10
    assert found.ratio == pytest.approx((0.5 + 20 + 19.5) / 3 / 10)


def test_pyramid_is_put_together_again() -> None:
    images = crops(2, 72)
    levels = laplacian_pyramid(images)
    assert [tuple(level.shape[2:]) for level in levels] == [(72, 72), (36, 36), (18, 18)]
    # A level of constant pictures is empty but for the coarsest: what is enlarged is as bright as before.
    flat = laplacian_pyramid(torch.full((1, 3, 64, 64), 0.7))
    assert flat[0][..., 4:-4, 4:-4].abs().max() < 1e-6 and torch.allclose(flat[-1], torch.tensor(0.7))
    # The fine level of a blurred picture is nearly empty, that of the photograph is not.
    assert laplacian_pyramid(blurred(images, 4))[0].std() < 0.1 * levels[0].std()


def test_patches_are_from_their_pictures_and_standardized() -> None:
    images = torch.arange(20 * 20).reshape(1, 1, 20, 20).float()
    found = draw_patches(images, 50, generator=torch.Generator().manual_seed(0)).reshape(50, 7, 7)
    steps = found[:, :, 1:] - found[:, :, :-1]
    rows = found[:, 1:] - found[:, :-1]
    assert torch.allclose(steps, steps[0, 0, 0].expand_as(steps), atol=1e-5)
    assert torch.allclose(rows, 20 * steps[0, 0, 0].expand_as(rows), atol=1e-4)
    assert float(found.mean()) == pytest.approx(0, abs=1e-5)
    assert float(found.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_distance_along_directions_is_scipys() -> None:
    one, other = torch.randn(40, 3).double(), 2 * torch.randn(40, 3).double() + 1
    found = _distance(one, other, directions=5, generator=torch.Generator().manual_seed(7))
    axes = torch.randn(3, 5, generator=torch.Generator().manual_seed(7)).double()
    axes = axes / axes.norm(dim=0)
    wanted = [wasserstein_distance((one @ axis).numpy(), (other @ axis).numpy()) for axis in axes.T]
    assert found == pytest.approx(float(np.mean(wanted)))


def test_blur_shows_at_the_fine_scale_and_other_forms_at_the_coarse_one() -> None:
    real, again = crops(80, seed=0), crops(80, seed=1)
    few = {"patches": 24, "directions": 64}
    same = sliced_wasserstein(real, again, **few)
    assert list(same.levels) == [64, 32, 16] and same.samples == (80, 80)
    soft = sliced_wasserstein(real, blurred(again, 1.5), **few)
    assert soft.levels[64] > 2 * same.levels[64]
    assert soft.levels[16] < 1.5 * same.levels[16]
    mixed = again.reshape(80, 3, 8, 8, 8, 8).permute(0, 1, 4, 3, 2, 5)  # blocks of 8 x 8 change places
    moved = sliced_wasserstein(real, mixed.reshape(80, 3, 64, 64), **few)
    assert moved.levels[16] > 1.3 * same.levels[16]
    assert sliced_wasserstein(real, real.clone(), **few).mean < 0.9 * same.mean


def test_gradients_are_numpys() -> None:
    images = crops(1)
    grey = luminance(images)[0, 0].numpy()
    wanted = np.hypot(np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1])
    assert np.allclose(gradients(images)[0].numpy(), wanted, atol=1e-6)


def test_sharpness_tells_blur_and_noise_from_the_truth() -> None:
    truth, again = crops(200, seed=0), crops(200, seed=1)
    same = sharpness(again, truth)
    soft = sharpness(blurred(again, 1.5), truth)
    noisy = sharpness((again + 0.1 * torch.randn(again.shape)).clamp(0, 1), truth)
    assert same.ratio == pytest.approx(1, abs=0.15)
    assert soft.ratio < 0.7 < 1.5 < noisy.ratio
    assert same.distance < 0.3 * min(soft.distance, noisy.distance)
    grey = [luminance(side)[:, 0].double().numpy() for side in (again, truth)]
    lengths = [
        np.hypot(np.diff(side, axis=2)[:, :-1], np.diff(side, axis=1)[:, :, :-1]).ravel() for side in grey
    ]
    assert same.distance == pytest.approx(wasserstein_distance(*lengths), rel=0.05, abs=1e-5)


def test_what_makes_no_sense_is_refused() -> None:
    images = crops(2, 16)
    for given, wanted in (
        (lambda: sliced_wasserstein(images, crops(2, 32)), "of one size"),
        (lambda: sliced_wasserstein(images[..., :9], images[..., :9]), "9x16"),
        (lambda: mean_pairwise_distance(images[:1]), "two or more"),
        (lambda: sharpness(images[:0], images), "are wanted"),
        (
            lambda: diversity_per_class(
                images, torch.zeros(2), real=images, real_labels=torch.zeros(2), names=("cat", "dog")
            ),
            "dog has 0 generated and 0 real",
        ),
    ):
        with pytest.raises(OcellusError, match=wanted):
            given()
