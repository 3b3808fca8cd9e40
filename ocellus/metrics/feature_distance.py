"""How far a set of generated pictures is from a set of real ones, on features of both: KID, FID, precision.

The features are given, (N, D) of any network; a figure means nothing without that network's name and the
number of pictures, and figures of two networks cannot be compared.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError

BLOCK = 1024
"""Rows of a table of kernels or distances that are held at once."""


class Kid(NamedTuple):
    """The kernel distance of two sets.

    Args:
        value: the unbiased estimate from all samples; may be below 0 where the sets are alike.
        low: lower end of the 95 % confidence interval, by the jackknife.
        high: upper end.
        subset_mean: mean over subsets, as is published.
        subset_deviation: over subsets: how much figures of that size vary; no error of the mean.
        subset_size: samples of each set in a subset.
        samples: of the real and of the other set.
    """

    value: float
    low: float
    high: float
    subset_mean: float
    subset_deviation: float
    subset_size: int
    samples: tuple[int, int]


class Fid(NamedTuple):
    """The Fréchet distance of two sets.

    Args:
        value: from all samples. It is too large, the more so the fewer there are.
        unbiased: what a line through the values of fewer samples over 1 / N says of infinitely many
            (Chong 2020, arXiv:1911.07023).
        bias: value - unbiased.
        samples: of the real and of the other set.
        dimensions: of the features. With no more samples than these the covariances are singular.
    """

    value: float
    unbiased: float
    bias: float
    samples: tuple[int, int]
    dimensions: int


class PrecisionRecall(NamedTuple):
    """How much of either set lies in the other.

    Args:
        precision: share of the generated samples that look real.
        recall: share of the real samples that are covered by generated ones.
        neighbours: k, whose distance is the radius around each sample.
        samples: of the real and of the generated set.
    """

    precision: float
    recall: float
    neighbours: int
    samples: tuple[int, int]


def kid(real: Tensor, fake: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> Kid:
    """Kernel inception distance (Bińkowski 2018, arXiv:1801.01401): MMD² with k(x, y) = (x·y / D + 1)³.

    Args:
        real: (N, D) features.
        fake: (M, D) features.
        subsets: how many, for the published way of reporting.
        size: samples of each set in a subset; where there are fewer, as many as there are.
        seed: of the draw of the subsets.

    Raises:
        OcellusError: fewer than 2 samples, other widths, or features that are not finite.
    """
    real, fake = _checked(real, fake, least=2)
    count, other = len(real), len(fake)
    rows_real, diagonal_real = _kernel_sums(real, real), _kernel(real, real, paired=True)
    rows_fake, diagonal_fake = _kernel_sums(fake, fake), _kernel(fake, fake, paired=True)
    across_real, across_fake = _kernel_sums(real, fake), _kernel_sums(fake, real)
    own_real, own_fake = rows_real - diagonal_real, rows_fake - diagonal_fake
    within_real, within_fake, across = own_real.sum(), own_fake.sum(), across_real.sum()
    value = float(
        within_real / (count * (count - 1))
        + within_fake / (other * (other - 1))
        - 2 * across / (count * other)
    )
    variance = 0.0
    if min(count, other) > 2:  # leave one out of the one set, then of the other
        without = (within_real - 2 * own_real) / ((count - 1) * (count - 2)) - 2 * (across - across_real) / (
            (count - 1) * other
        )
        variance += float((count - 1) * without.var(correction=0))
        without = (within_fake - 2 * own_fake) / ((other - 1) * (other - 2)) - 2 * (across - across_fake) / (
            count * (other - 1)
        )
        variance += float((other - 1) * without.var(correction=0))
    reach = 1.96 * math.sqrt(variance) if variance else math.nan
    size = min(size, count, other)
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor([_subset(real, fake, size=size, generator=generator) for _ in range(subsets)])
    return Kid(
        value=value,
        low=value - reach,
        high=value + reach,
        subset_mean=float(values.mean()) if subsets else math.nan,
        subset_deviation=float(values.std(correction=0)) if subsets else math.nan,
        subset_size=size,
        samples=(count, other),
    )


def fid(real: Tensor, fake: Tensor, *, seed: int = 0) -> Fid:
    """Fréchet distance of Gaussians (Heusel 2017, arXiv:1706.08500): |m - m'|² + tr(S + S' - 2 (S S')^½).

    It is biased: of two sets of one kind it is above 0. `unbiased` extrapolates from six sizes of random
    parts; it is an estimate, and may be below 0.

    Args:
        real: (N, D) features.
        fake: (M, D) features.
        seed: of the draw of the parts.

    Raises:
        OcellusError: fewer than 2 samples, other widths, or features that are not finite.
    """
    real, fake = _checked(real, fake, least=2)
    value = frechet(real, fake)
    generator = torch.Generator().manual_seed(seed)
    shares = [share for share in (0.5, 0.6, 0.7, 0.8, 0.9) if int(share * min(len(real), len(fake))) >= 2]
    inverses, values = [1.0], [value]  # 1 / share of the samples
    for share in shares:
        parts = [
            side[torch.randperm(len(side), generator=generator)[: int(share * len(side))]]
            for side in (real, fake)
        ]
        inverses.append(1 / share)
        values.append(frechet(*parts))
    table = torch.tensor([inverses, [1.0] * len(inverses)], dtype=torch.float64).T
    line = torch.linalg.lstsq(table, torch.tensor(values, dtype=torch.float64)[:, None]).solution[:, 0]
    unbiased = float(line[1]) if len(values) > 2 else math.nan
    return Fid(
        value=value,
        unbiased=unbiased,
        bias=value - unbiased,
        samples=(len(real), len(fake)),
        dimensions=real.shape[1],
    )


def frechet(real: Tensor, fake: Tensor) -> float:
    """|m - m'|² + tr(S) + tr(S') - 2 tr((S S')^½), of (N, D) and (M, D) features in double precision.

    The last term is the sum of the singular values of A'Aᵀ, where A and A' are the centred features over the
    root of N - 1: no root of a matrix that is singular where samples are few.
    """
    means = real.mean(dim=0), fake.mean(dim=0)
    parts = [(side - mean) / math.sqrt(len(side) - 1) for side, mean in zip((real, fake), means, strict=True)]
    traces = parts[0].square().sum() + parts[1].square().sum()
    if min(len(real), len(fake)) > real.shape[1]:
        # As many rows as dimensions say the same of the covariance as all samples.
        parts = [torch.linalg.qr(part, mode="r").R for part in parts]
    both = torch.linalg.svdvals(parts[0] @ parts[1].T).sum()
    return float((means[0] - means[1]).square().sum() + traces - 2 * both)


def precision_recall(real: Tensor, fake: Tensor, *, neighbours: int = 3) -> PrecisionRecall:
    """Precision and recall of a generator (Kynkäänniemi 2019, arXiv:1904.06991, section 2).

    A set's manifold is the union of balls around its samples, each as wide as the distance to the sample's
    k-th nearest neighbour in the set.

    Args:
        real: (N, D) features.
        fake: (M, D) features.
        neighbours: k.

    Raises:
        OcellusError: no more than k samples, other widths, or features that are not finite.
    """
    real, fake = _checked(real, fake, least=neighbours + 1)
    return PrecisionRecall(
        precision=_covered(fake, real, neighbours=neighbours),
        recall=_covered(real, fake, neighbours=neighbours),
        neighbours=neighbours,
        samples=(len(real), len(fake)),
    )


def _covered(samples: Tensor, manifold: Tensor, *, neighbours: int) -> float:
    """The share of (N, D) samples within a ball of the (M, D) manifold."""
    radii = torch.cat(
        [
            _distances(block, manifold).kthvalue(neighbours + 1).values  # the nearest is the sample itself
            for block in torch.split(manifold, BLOCK)
        ]
    )
    inside = [(_distances(block, manifold) <= radii).any(dim=1) for block in torch.split(samples, BLOCK)]
    return float(torch.cat(inside).double().mean())


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    return torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")


def _kernel(rows: Tensor, columns: Tensor, *, paired: bool = False) -> Tensor:
    """(N, M) of (N, D) and (M, D); paired: (N,), each with its own."""
    products = (rows * columns).sum(dim=1) if paired else rows @ columns.T
    return (products / rows.shape[1] + 1) ** 3


def _kernel_sums(rows: Tensor, columns: Tensor) -> Tensor:
    """(N,) sums over all (M, D) columns for each of (N, D) rows."""
    return torch.cat([_kernel(block, columns).sum(dim=1) for block in torch.split(rows, BLOCK)])


def _subset(real: Tensor, fake: Tensor, *, size: int, generator: torch.Generator) -> float:
    """MMD² of random parts of both sets."""
    one, other = (
        side[torch.randperm(len(side), generator=generator)[:size].to(side.device)] for side in (real, fake)
    )
    total = torch.zeros((), dtype=torch.float64)
    for side in (one, other):
        inside = _kernel_sums(side, side).sum() - _kernel(side, side, paired=True).sum()
        total = total + inside.cpu() / (size * (size - 1))
    return float(total - 2 * _kernel_sums(one, other).sum().cpu() / size**2)


def _checked(real: Tensor, fake: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    for name, side in (("real", real), ("generated", fake)):
        if side.ndim != 2 or len(side) < least:
            raise OcellusError(
                f"{name} features of {tuple(side.shape)}: {least} or more samples are wanted, as (N, D)"
            )
        if not side.isfinite().all():
            raise OcellusError(f"{name} features hold numbers that are not finite: their network is at fault")
    if real.shape[1] != fake.shape[1]:
        raise OcellusError(
            f"features of {real.shape[1]} and {fake.shape[1]} numbers: take both from one network"
        )
    return real.detach().double(), fake.detach().double()
