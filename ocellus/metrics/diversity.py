"""How much the pictures of a set differ from each other, class by class: what a collapsed generator lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError

BLOCK = 1024
COLLAPSED = 0.5
"""Share of the real pictures' diversity below which a class is called collapsed."""
COPIES = 0.1
"""Share of the real pictures' mean distance below which two pictures are called copies."""


class Diversity(NamedTuple):
    """How much the pictures of one class differ.

    Args:
        name: of the class.
        distance: mean distance of two generated pictures.
        real: of two real pictures.
        ratio: the one over the other; 1 is right, 0 means that they are all the same.
        copies: share of generated pictures whose nearest neighbour among them is a tenth of `real` away or
            less.
        samples: generated and real pictures.
        collapsed: whether the ratio is below a half.
    """

    name: str
    distance: float
    real: float
    ratio: float
    copies: float
    samples: tuple[int, int]
    collapsed: bool


def mean_pairwise_distance(features: Tensor) -> float:
    """Mean Euclidean distance of two different rows.

    Args:
        features: (N, D): pictures as they are, flattened, or features of a stated network.

    Raises:
        OcellusError: fewer than two.
    """
    rows = _rows(features)
    return float(_distances(rows).sum() / (len(rows) * (len(rows) - 1)))


def diversity(features: Tensor, real: Tensor, *, name: str = "all") -> Diversity:
    """How much generated pictures differ from each other beside real ones.

    Args:
        features: (N, D) of generated pictures.
        real: (M, D) of real ones, the same features.
        name: what they are of.

    Raises:
        OcellusError: fewer than two of either.
    """
    rows = _rows(features)
    apart = _distances(rows)
    distance = float(apart.sum() / (len(rows) * (len(rows) - 1)))
    truth = mean_pairwise_distance(real)
    nearest = apart.fill_diagonal_(torch.inf).min(dim=1).values
    ratio = distance / truth if truth else torch.nan
    return Diversity(
        name=name,
        distance=distance,
        real=truth,
        ratio=ratio,
        copies=float((nearest <= COPIES * truth).double().mean()),
        samples=(len(rows), len(real)),
        collapsed=not ratio >= COLLAPSED,
    )


def diversity_per_class(
    features: Tensor, labels: Tensor, *, real: Tensor, real_labels: Tensor, names: Sequence[str]
) -> tuple[Diversity, ...]:
    """The mode-collapse report: each class beside the real pictures of that class.

    Args:
        features: (N, D) of generated pictures.
        labels: (N,) integers, the classes they are meant to be.
        real: (M, D) of real ones.
        real_labels: (M,) integers.
        names: of the classes.

    Raises:
        OcellusError: a class has fewer than two pictures of either.
    """
    found = []
    for label, name in enumerate(names):
        mine, theirs = features[labels == label], real[real_labels == label]
        if min(len(mine), len(theirs)) < 2:
            raise OcellusError(
                f"{name} has {len(mine)} generated and {len(theirs)} real pictures; diversity takes two or "
                "more of each"
            )
        found.append(diversity(mine, theirs, name=name))
    return tuple(found)


def _rows(features: Tensor) -> Tensor:
    if len(features) < 2:
        raise OcellusError(f"{len(features)} pictures; diversity takes two or more")
    return features.detach().flatten(1).double()


def _distances(rows: Tensor) -> Tensor:
    """(N, N), zeros on the diagonal."""
    parts = [
        torch.cdist(block, rows, compute_mode="donot_use_mm_for_euclid_dist")
        for block in torch.split(rows, BLOCK)
    ]
    return torch.cat(parts)
