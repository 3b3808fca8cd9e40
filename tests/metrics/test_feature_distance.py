"""KID and FID against torchmetrics on the same features; precision and recall against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from ocellus.errors import OcellusError
from ocellus.metrics.feature_distance import fid, kid, precision_recall


class Given(nn.Module):
    """Features that are the pictures themselves, so that both are given the same."""

    num_features = 6

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).double()


def sets(count: int = 90, other: int = 70, *, shift: float = 0.4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(count, 6, generator=generator)
    fake = 1.3 * torch.randn(other, 6, generator=generator) + shift
    return real, fake


def as_pictures(features: Tensor) -> Tensor:
    return features[:, :, None, None].expand(-1, -1, 1, 1)


def test_kid_is_torchmetrics() -> None:
    real, fake = sets(80, 80)
    theirs = KernelInceptionDistance(feature=Given(), subsets=1, subset_size=80, normalize=True)
    theirs.update(as_pictures(real), real=True)
    theirs.update(as_pictures(fake), real=False)
    ours = kid(real, fake, subsets=20, size=40)
    assert ours.value == pytest.approx(float(theirs.compute()[0]), rel=1e-4)
    assert ours.samples == (80, 80) and ours.subset_size == 40
    # A mean over parts estimates the same number.
    assert abs(ours.subset_mean - ours.value) < ours.subset_deviation


def test_kid_subsets_are_torchmetrics_in_the_mean() -> None:
    real, fake = sets(80, 80)
    theirs = KernelInceptionDistance(feature=Given(), subsets=300, subset_size=30, normalize=True)
    theirs.update(as_pictures(real), real=True)
    theirs.update(as_pictures(fake), real=False)
    mean, deviation = (float(part) for part in theirs.compute())
    ours = kid(real, fake, subsets=300, size=30)
    assert ours.subset_mean == pytest.approx(mean, abs=4 * deviation / math.sqrt(300))
    assert ours.subset_deviation == pytest.approx(deviation, rel=0.25)


def test_kid_by_hand() -> None:
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    # k = (x y + 1)^3: real 1; fake 125; across (1 + 1 + 27 + 27) / 4
    assert kid(real, fake, subsets=0).value == pytest.approx(1 + 125 - 2 * 14)


def test_confidence_interval_holds_the_true_distance_about_as_often_as_it_says() -> None:
    """Of 100 draws the interval misses the mean of a large sample a few times, not 30 times."""
    truth = kid(*sets(6000, 6000, seed=999), subsets=0).value
    found = [kid(*sets(80, 80, seed=seed), subsets=0) for seed in range(100)]
    held = sum(one.low <= truth <= one.high for one in found)
    assert 84 <= held <= 100
    widths = [one.high - one.low for one in found]
    deviation = float(np.std([one.value for one in found]))
    assert 0.6 < float(np.median(widths)) / (2 * 1.96 * deviation) < 1.5


def test_sets_of_one_kind_are_near_zero() -> None:
    generator = torch.Generator().manual_seed(3)
    one = kid(torch.randn(300, 6, generator=generator), torch.randn(300, 6, generator=generator))
    assert one.low < 0 < one.high


def test_fid_is_torchmetrics() -> None:
    real, fake = sets(90, 70)
    theirs = FrechetInceptionDistance(feature=Given(), normalize=True, input_img_size=(6, 1, 1))
    theirs.set_dtype(torch.float64)
    theirs.update(as_pictures(real), real=True)
    theirs.update(as_pictures(fake), real=False)
    assert fid(real, fake).value == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_fid_by_hand() -> None:
    real = torch.tensor([[-1.0], [1.0]])  # mean 0, deviation √2
    fake = torch.tensor([[1.0], [5.0]])  # mean 3, deviation 2 √2
    assert fid(real, fake).value == pytest.approx(9 + (2 * math.sqrt(2) - math.sqrt(2)) ** 2)


def test_fid_of_fewer_samples_than_dimensions() -> None:
    """The root of a singular matrix, by eigenvalues in numpy."""
    generator = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(9, 20, generator=generator).double() for _ in range(2))
    product = np.cov(real.numpy().T) @ np.cov(fake.numpy().T)
    root = np.sqrt(np.clip(np.linalg.eigvals(product).real, 0, None)).sum()
    means = float((real.mean(0) - fake.mean(0)).square().sum())
    wanted = means + float(real.var(0).sum() + fake.var(0).sum()) - 2 * root
    assert fid(real, fake).value == pytest.approx(wanted, rel=1e-4)  # roots of rounding errors in numpy


def test_bias_of_fid_is_stated() -> None:
    """Two sets of one kind: what is above zero is bias, and the extrapolation takes most of it away."""
    generator = torch.Generator().manual_seed(5)
    found = fid(*(torch.randn(400, 40, generator=generator) for _ in range(2)))
    assert found.value > 1.5 and abs(found.unbiased) < 0.35 * found.value
    assert found.bias == pytest.approx(found.value - found.unbiased)
    assert found.samples == (400, 400) and found.dimensions == 40


def test_precision_and_recall_by_hand() -> None:
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0], [100.0]])
    fake = torch.tensor([[0.5], [1.5], [2.5], [50.0], [-40.0]])
    # Radii of real 1, 1, 1, 1, 97; of fake 1, 1, 1, 47.5, 40.5.
    found = precision_recall(real, fake, neighbours=1)
    assert found.precision == pytest.approx(4 / 5)  # 50 is within 97 of 100, -40 nowhere
    assert found.recall == pytest.approx(4 / 5)  # 100 is 50 from 50, whose ball ends at 97.5


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_precision_and_recall_against_brute_force(neighbours: int) -> None:
    real, fake = (side.double().numpy() for side in sets(60, 50, shift=1.0))

    def covered(samples: np.ndarray, manifold: np.ndarray) -> float:
        radii = NearestNeighbors(n_neighbors=neighbours + 1).fit(manifold).kneighbors(manifold)[0][:, -1]
        apart = np.linalg.norm(samples[:, None] - manifold[None], axis=2)
        return float((apart <= radii).any(axis=1).mean())

    found = precision_recall(torch.from_numpy(real), torch.from_numpy(fake), neighbours=neighbours)
    assert found.precision == pytest.approx(covered(fake, real))
    assert found.recall == pytest.approx(covered(real, fake))
    assert 0 < found.precision < 1 and found.recall > 0


def test_what_makes_no_sense_is_refused() -> None:
    real, fake = sets()
    for given, wanted in (
        (lambda: kid(real[:1], fake), "2 or more"),
        (lambda: fid(real, fake[:, :3]), "6 and 3"),
        (lambda: precision_recall(real[:3], fake), "4 or more"),
        (lambda: kid(real / 0, fake), "not finite"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            given()
