"""How a class enters a network that makes or judges pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SMALL = 0.3
"""Spread of fresh learned codes, beside noise of spread 1: so a generator does not begin with one picture a
class."""


def class_shares(classes: Tensor | None, *, count: int, kinds: int, like: Tensor) -> Tensor:
    """(B, K) shares of the classes: all to one class, or 1 / K each where none is given.

    Args:
        classes: (B,) int64; (B, K) shares that stay as they are; or None.
        count: B.
        kinds: K.
        like: (...) of the wanted device; the answer is float32.
    """
    if classes is None:
        return torch.full((count, kinds), 1 / kinds, device=like.device)
    if classes.is_floating_point():
        return classes.to(like.device, torch.float32)
    return F.one_hot(classes.to(like.device), kinds).float()


def never_empty(vectors: Tensor) -> Tensor:
    """(B, D) as it is; ones (B, 1) where D is 0, so that a layer has something to look at."""
    return vectors if vectors.shape[1] else vectors.new_ones(len(vectors), 1)


def class_spread(features: Tensor, shares: Tensor) -> Tensor:
    """(B,) how much the pictures of a batch that are of a picture's class differ: 0 where it is alone.

    The mean over all features of their standard deviation (Karras 2017, arXiv:1710.10196, section 3, there
    over all pictures). A generator that always draws the same picture of a class is seen by it at once.

    Args:
        features: (B, C, h, w).
        shares: (B, K) of the classes.
    """
    rows = features.float().flatten(1)  # (B, D)
    counts = shares.sum(dim=0).clamp_min(1e-6)[:, None]  # (K, 1)
    with torch.autocast(features.device.type, enabled=False):
        means = shares.T @ rows / counts
        apart = (rows - shares @ means).square()
        deviations = (shares.T @ apart / counts + 1e-8).sqrt().mean(dim=1)  # (K,)
        return shares @ deviations


class ClassCode(nn.Module):
    """A class as a vector: one-hot, learned, or none.

    Args:
        classes: K.
        kind: one_hot, learned or none.
        size: D of a learned code.
    """

    def __init__(self, classes: int, *, kind: str, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.size = {"one_hot": classes, "learned": size, "none": 0}[kind]
        self.table = nn.Parameter(SMALL * torch.randn(classes, size)) if kind == "learned" else None

    def forward(self, shares: Tensor) -> Tensor:
        """(B, K) shares of the classes -> (B, self.size)."""
        if self.table is not None:
            return shares @ self.table
        return shares[:, : self.size]


class ConditionalNorm(nn.Module):
    """Batch norm whose scale and shift belong to the class (Miyato 2018, arXiv:1802.05637, section 4).

    Args:
        channels: C.
        classes: K.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Parameter(torch.ones(classes, channels))
        self.shift = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, features: Tensor, shares: Tensor) -> Tensor:
        """(B, C, h, w) features and (B, K) shares of the classes -> (B, C, h, w)."""
        normed: Tensor = self.norm(features)
        scale, shift = ((shares @ table)[:, :, None, None] for table in (self.scale, self.shift))
        return normed * scale.to(normed) + shift.to(normed)


class Maxout(nn.Module):
    """The largest of several linear maps, unit by unit (Goodfellow 2013, arXiv:1302.4389).

    Args:
        inputs: numbers in.
        units: numbers out.
        pieces: linear maps of each unit.
        spectral: divide the weight by its largest singular value (Miyato 2018, arXiv:1802.05957).
    """

    def __init__(self, inputs: int, units: int, *, pieces: int, spectral: bool = False) -> None:
        super().__init__()
        linear = nn.Linear(inputs, units * pieces)
        self.linear = spectral_norm(linear) if spectral else linear
        self.pieces = pieces

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, inputs) -> (B, units)."""
        pieces: Tensor = self.linear(vectors).unflatten(1, (-1, self.pieces))
        return pieces.amax(dim=2)
