"""Training examples of pictures with one class each, all of one size.

What is thrown depends on (seed, epoch, index) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ocellus.data.dataset import Dataset, Record
from ocellus.data.examples import CACHE
from ocellus.data.images import read_channels
from ocellus.data.label_transforms import color
from ocellus.data.views import Window, middle, random_window, resized
from ocellus.errors import OcellusError

__all__ = ["ClassBatch", "ClassExamples", "ClassItem", "ClassVariation", "collate_classes"]


class ClassBatch(NamedTuple):
    """What a training step gets."""

    images: Tensor  # (B, C, H, W) float32 in [0, 1]
    labels: Tensor  # (B,) int64
    others: Tensor  # (B,) int64, of the pictures that were laid over; the same as `labels` where none was
    shares: Tensor  # (B,) float32, how much of each picture is its own: 1 where none was laid over
    names: tuple[str, ...]


class ClassItem(NamedTuple):
    """One example on its way to a batch."""

    image: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    label: int
    other: int
    share: float
    name: str


class ClassVariation(Protocol):
    """How pictures are varied: the fields that the Train settings of classifiers share."""

    @property
    def flip(self) -> float:
        """Chance of a left-right mirrored picture."""

    @property
    def flip_vertical(self) -> float:
        """Chance of an upside-down picture."""

    @property
    def turn(self) -> float:
        """Chance of a quarter turn."""

    @property
    def area_low(self) -> float:
        """Smallest share of the picture that a random crop takes."""

    @property
    def area_high(self) -> float:
        """Largest share."""

    @property
    def aspect(self) -> float:
        """Most that the crop is wider than high, or the reverse, before it is made square."""

    @property
    def color(self) -> float:
        """Strength of random brightness, contrast and saturation, 0 to 1."""


class ClassExamples:
    """The examples of some records with labels, drawn by `examples[epoch, index]`.

    To train on, a random part of the picture becomes the whole (Szegedy 2014, arXiv:1409.4842, section 6).

    Args:
        records: of one split.
        dataset: where they come from.
        train: how to vary them, or None for the pictures as they are.
        channels: C of the pictures; 1: grey, 3: RGB.
        short_side: as of `ocellus.data.views.middle`.
        crop: the same; examples to train on are squares of this side, of `short_side` where it is 0, and
            pictures at their own size where both are.
        mixup: shape of the distribution of shares by which two pictures are mixed; 0: they are not.
        seed: of the dice.
        cache: bytes of decoded pictures to keep; a process that has read each once decodes no more.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: ClassVariation | None,
        channels: int = 3,
        short_side: int = 0,
        crop: int = 0,
        mixup: float = 0.0,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        if train is not None:
            _require_possible(train, mixup)
        self.records = tuple(records)
        self.dataset = dataset
        self.train = train
        self.channels = channels
        self.short_side, self.crop = short_side, crop
        self.mixup = mixup
        self.seed = seed
        self.room = cache
        self.cache: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> ClassItem:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: the picture cannot be read, or has no class.
        """
        epoch, index = key
        label, name = self._label(index), self.records[index].name
        if self.train is None:
            image = middle(self._read(index), short_side=self.short_side, crop=self.crop)
            return ClassItem(image, label, label, 1.0, name)
        dice = np.random.default_rng((self.seed, epoch, index))
        image = self._varied(index, self.train, dice)
        if not self.mixup:
            return ClassItem(image, label, label, 1.0, name)
        share = float(dice.beta(self.mixup, self.mixup))
        second = int(dice.integers(len(self)))
        over = self._varied(second, self.train, dice)
        if image.shape != over.shape:
            raise _uneven(image, over)
        mixed = share * as_float(image) + (1 - share) * as_float(over)
        return ClassItem(mixed, label, self._label(second), share, name)

    def _varied(self, index: int, train: ClassVariation, dice: np.random.Generator) -> Tensor:
        image = self._read(index)
        side = self.crop or self.short_side
        if side:
            height, width = image.shape[1:]
            window: Window = random_window(
                (height, width), areas=(train.area_low, train.area_high), aspect=train.aspect, dice=dice
            )
            top, left, tall, wide = window
            image = resized(image[:, top : top + tall, left : left + wide], (side, side))
        if dice.random() < train.flip:
            image = image.flip(2)
        if dice.random() < train.flip_vertical:
            image = image.flip(1)
        if dice.random() < train.turn:
            image = image.rot90(int(dice.integers(1, 4)), (1, 2))
        if train.color:
            brightness, contrast, saturation = np.exp(dice.uniform(-train.color, train.color, 3) * 0.5)
            image = color(
                image, brightness=float(brightness), contrast=float(contrast), saturation=float(saturation)
            )
        return image

    def _label(self, index: int) -> int:
        label = self.records[index].label
        if label is None:
            raise OcellusError(
                f"{self.records[index].name} has no class: read the data with view='labels'", exit_code=2
            )
        return label

    def _read(self, index: int) -> Tensor:
        known = self.cache.get(index)
        if known is not None:
            return known
        image = read_channels(self.records[index].image, self.channels)
        if image.nbytes <= self.room:
            self.cache[index] = image
            self.room -= image.nbytes
        return image


def as_float(image: Tensor) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1], as the latter."""
    return image.float() / 255 if image.dtype == torch.uint8 else image


def collate_classes(items: Sequence[ClassItem]) -> ClassBatch:
    """Examples of one size as one batch.

    Raises:
        OcellusError: they are of several sizes.
    """
    first = items[0].image
    images = torch.empty(len(items), *first.shape)
    for row, item in zip(images, items, strict=True):
        if item.image.shape != first.shape:
            raise _uneven(first, item.image)
        if item.image.dtype == torch.uint8:
            torch.div(item.image, 255, out=row)
        else:
            row.copy_(item.image)
    return ClassBatch(
        images=images,
        labels=torch.tensor([item.label for item in items]),
        others=torch.tensor([item.other for item in items]),
        shares=torch.tensor([item.share for item in items], dtype=torch.float32),
        names=tuple(item.name for item in items),
    )


def _uneven(first: Tensor, other: Tensor) -> OcellusError:
    a, b = (f"{image.shape[2]}x{image.shape[1]}" for image in (first, other))
    return OcellusError(
        f"pictures of {a} and of {b} cannot be learnt together: give --short-side, and --crop for squares",
        exit_code=2,
    )


def _require_possible(train: ClassVariation, mixup: float) -> None:
    """Raises OcellusError for settings that no picture can be varied by. Exit code 2."""
    chances = ("flip", "flip_vertical", "turn", "color")
    wrong = [(name, "between 0 and 1") for name in chances if not 0 <= getattr(train, name) <= 1]
    if not 0 < train.area_low <= train.area_high <= 1:
        wrong.append(("area_low", f"above 0 and at most --area-high {train.area_high}, which is at most 1"))
    if not 1 <= train.aspect < math.inf:
        wrong.append(("aspect", "1 or more"))
    for name, wanted in wrong:
        flag = "--" + name.replace("_", "-")
        raise OcellusError(f"{flag} is {getattr(train, name)}; it has to be {wanted}", exit_code=2)
    if not 0 <= mixup < math.inf:
        raise OcellusError(f"--mixup is {mixup}; it has to be 0 or more", exit_code=2)
