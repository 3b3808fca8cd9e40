"""How alike two sets of pictures are, scale by scale, without a network (Karras 2017, arXiv:1710.10196).

From each level of a Laplacian pyramid patches of 7 x 7 pixels are taken at random places (section 5). A
level's patches are standardized in each channel, and the distance of two sets of patches is the mean, over
random directions, of how far their projections lie apart when both are put in order. Small distances at 16
pixels say that the large forms are alike, at full size that the finest texture and noise are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError

PATCH = 7
COARSEST = 16
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The pyramid's filter along one side (Burt 1983, doi:10.1109/TCOM.1983.1095851)."""


class SlicedWasserstein(NamedTuple):
    """Distances of two sets of pictures.

    Args:
        levels: by the shorter side in pixels, finest first; times 1000, as published.
        mean: over levels.
        samples: of either set.
        patches: of each picture at each level.
    """

    levels: dict[int, float]
    mean: float
    samples: tuple[int, int]
    patches: int


def sliced_wasserstein(
    real: Tensor, fake: Tensor, *, patches: int = 128, directions: int = 512, seed: int = 0
) -> SlicedWasserstein:
    """The distance of two sets of pictures of one size.

    Where one set is larger, only so many of its pictures count as the other has.

    Args:
        real: (N, C, H, W).
        fake: (M, C, H, W).
        patches: from each picture at each level.
        directions: that patches are projected onto.
        seed: of places and directions.

    Raises:
        OcellusError: pictures of two sizes, smaller than 16 pixels, or none.
    """
    if real.shape[1:] != fake.shape[1:] or not min(len(real), len(fake)):
        raise OcellusError(
            f"sets of {tuple(real.shape)} and {tuple(fake.shape)} cannot be compared; both must "
            "hold pictures of one size"
        )
    if min(real.shape[2:]) < COARSEST:
        raise OcellusError(
            f"pictures of {real.shape[3]}x{real.shape[2]} pixels are too small: {COARSEST} or more a side"
        )
    count = min(len(real), len(fake))
    generator = torch.Generator().manual_seed(seed)
    levels = {}
    pairs = zip(laplacian_pyramid(real[:count].float()), laplacian_pyramid(fake[:count].float()), strict=True)
    for one, other in pairs:
        sides = [draw_patches(level, patches, generator=generator) for level in (one, other)]
        side = min(one.shape[2:])
        levels[side] = 1000 * _distance(*sides, directions=directions, generator=generator)
    return SlicedWasserstein(
        levels=levels,
        mean=sum(levels.values()) / len(levels),
        samples=(len(real), len(fake)),
        patches=patches,
    )


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """What each level holds that the next coarser one does not, finest first; the last is the coarsest whole.

    Args:
        images: (N, C, H, W).

    Returns:
        (N, C, h, w), each half the size of the one before, sides rounded up, to 16 pixels or a little more.
    """
    levels = []
    while min(images.shape[2:]) >= 2 * COARSEST:
        coarse = _smoothed(images)[:, :, ::2, ::2]
        levels.append(images - _enlarged(coarse, (int(images.shape[2]), int(images.shape[3]))))
        images = coarse
    return [*levels, images]


def draw_patches(images: Tensor, count: int, *, generator: torch.Generator) -> Tensor:
    """Patches at random places, standardized in each channel over the whole set.

    Args:
        images: (N, C, H, W).
        count: of each picture.
        generator: of the places.

    Returns:
        (N count, C 7 7).
    """
    number, channels, height, width = images.shape
    rows = torch.randint(height - PATCH + 1, (number, count), generator=generator)
    columns = torch.randint(width - PATCH + 1, (number, count), generator=generator)
    steps = torch.arange(PATCH)
    y = (rows[:, :, None] + steps)[:, :, :, None]  # (N, count, 7, 1)
    x = (columns[:, :, None] + steps)[:, :, None, :]
    found = images.permute(0, 2, 3, 1)[torch.arange(number)[:, None, None, None], y, x]  # (N, count, 7, 7, C)
    flat = found.reshape(-1, channels)
    flat = (flat - flat.mean(dim=0)) / flat.std(dim=0, correction=0).clamp_min(1e-8)
    return flat.reshape(number * count, -1)


def _distance(one: Tensor, other: Tensor, *, directions: int, generator: torch.Generator) -> float:
    """The mean over random directions of the Wasserstein distance of (P, D) and (P, D) along them."""
    axes = torch.randn(one.shape[1], directions, generator=generator).to(one)
    axes = axes / axes.norm(dim=0)
    ordered = [(side @ axes).sort(dim=0).values for side in (one, other)]
    return float((ordered[0] - ordered[1]).abs().mean())


def _smoothed(images: Tensor, *, gain: float = 1.0) -> Tensor:
    """(N, C, H, W) under the pyramid's filter, edges mirrored."""
    channels = images.shape[1]
    line = torch.tensor(BINOMIAL, device=images.device, dtype=images.dtype)
    kernel = (gain * line[:, None] * line).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(images, (2,) * 4, mode="reflect"), kernel, groups=channels)


def _enlarged(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Twice the size: zeros between the pixels, smoothed at four times the strength."""
    spread = images.new_zeros(*images.shape[:2], *size)
    spread[:, :, ::2, ::2] = images
    return _smoothed(spread, gain=4.0)
