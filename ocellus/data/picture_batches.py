"""Pictures on their way to a training step: items, and batches of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError

__all__ = ["DomainBatch", "PairBatch", "PictureBatch", "collate_domains", "collate_pairs", "collate_pictures"]


class PictureItem(NamedTuple):
    """A picture on its way to a batch."""

    image: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    name: str


class PairItem(NamedTuple):
    """A condition and its answer on their way to a batch."""

    input: Tensor  # (C, h, w) uint8, or float32 in [0, 1]
    target: Tensor  # (C, H, W) the same
    name: str


class DomainItem(NamedTuple):
    """A picture of each domain on their way to a batch."""

    a: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    b: Tensor  # (C, H, W) the same
    name: str


class PictureBatch(NamedTuple):
    """Pictures of a training step."""

    images: Tensor  # (B, C, H, W) float32 in [0, 1]
    names: tuple[str, ...]


class PairBatch(NamedTuple):
    """Pairs of a training step."""

    inputs: Tensor  # (B, C, h, w) float32 in [0, 1], the conditions
    targets: Tensor  # (B, C, H, W) float32 in [0, 1], the answers
    names: tuple[str, ...]


class DomainBatch(NamedTuple):
    """Pictures of two domains, in no relation."""

    a: Tensor  # (B, C, H, W) float32 in [0, 1]
    b: Tensor  # (B, C, H, W) float32 in [0, 1]
    names: tuple[str, ...]


def collate_pictures(items: Sequence[PictureItem]) -> PictureBatch:
    """Pictures of one size as one batch; OcellusError where they are of several sizes."""
    return PictureBatch(stacked([item.image for item in items]), names_of(items))


def collate_pairs(items: Sequence[PairItem]) -> PairBatch:
    """Pairs of one size as one batch; OcellusError where they are of several sizes."""
    inputs, targets = [item.input for item in items], [item.target for item in items]
    return PairBatch(stacked(inputs), stacked(targets), names_of(items))


def collate_domains(items: Sequence[DomainItem]) -> DomainBatch:
    """Pictures of two domains as one batch; OcellusError where one domain's are of several sizes."""
    a, b = [item.a for item in items], [item.b for item in items]
    return DomainBatch(stacked(a), stacked(b), names_of(items))


def names_of(items: Sequence[PictureItem | PairItem | DomainItem]) -> tuple[str, ...]:
    """Their names."""
    return tuple(item.name for item in items)


def stacked(images: Sequence[Tensor]) -> Tensor:
    """(B, C, H, W) float32 in [0, 1] of pictures of one size.

    Raises:
        OcellusError: they are of several sizes. Exit code 2.
    """
    first = images[0]
    batch = torch.empty(len(images), *first.shape)
    for row, image in zip(batch, images, strict=True):
        if image.shape != first.shape:
            a, b = (f"{one.shape[2]}x{one.shape[1]}" for one in (first, image))
            raise OcellusError(
                f"pictures of {a} and of {b} cannot be learnt together: give --crop for squares of one size, "
                "or --batch-size 1",
                exit_code=2,
            )
        if image.dtype == torch.uint8:
            torch.div(image, 255, out=row)
        else:
            row.copy_(image)
    return batch
