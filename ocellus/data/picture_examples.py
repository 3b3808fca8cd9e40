"""Training examples that are pictures: alone, in pairs, or of two domains.

What is thrown depends on (seed, epoch, index) alone. Pictures are decoded, and resized to `load`, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ocellus.data.dataset import Dataset, Record
from ocellus.data.examples import CACHE
from ocellus.data.images import read_channels
from ocellus.data.picture_batches import (
    DomainBatch,
    DomainItem,
    PairBatch,
    PairItem,
    PictureBatch,
    PictureItem,
    collate_domains,
    collate_pairs,
    collate_pictures,
)
from ocellus.data.views import resized
from ocellus.errors import OcellusError

__all__ = [
    "Degrade",
    "DomainBatch",
    "DomainExamples",
    "PairBatch",
    "PairExamples",
    "PictureBatch",
    "PictureExamples",
    "PictureVariation",
    "Whole",
    "collate_domains",
    "collate_pairs",
    "collate_pictures",
]

Degrade = Callable[[Tensor, np.random.Generator], Tensor]
"""(C, H, W) float32 in [0, 1] and dice -> what is given in its place; of any size and number of channels."""


class PictureVariation(Protocol):
    """How pictures are varied: the fields that the Train settings of generating systems share.

    A Train that has no use for one may leave it out; it then is 0.
    """

    @property
    def load(self) -> int:
        """Pictures are first resized so that the shorter side has this many pixels; 0: not resized."""

    @property
    def crop(self) -> int:
        """Side of a random square crop; 0: the whole picture."""

    @property
    def flip(self) -> float:
        """Chance of a left-right mirrored picture."""

    @property
    def turn(self) -> float:
        """Chance of a quarter turn."""


class Whole(NamedTuple):
    """How pictures are made alike where nothing is thrown: `load` and `crop` as in `PictureVariation`, but
    the crop is the middle."""

    load: int = 0
    crop: int = 0


class Looks:
    """Decodes and varies the pictures of one set of examples; what belongs together is varied alike.

    Args:
        train: how to vary them, or None.
        whole: how they are made alike where `train` is None.
        seed: of the dice.
        cache: bytes of decoded pictures to keep.
    """

    def __init__(self, train: object | None, *, whole: Whole, seed: int, cache: int) -> None:
        fields = {} if train is None else {name: getattr(train, name, 0) for name in ("load", "crop")}
        self.load, self.crop = Whole(**fields) if train is not None else whole
        self.flip, self.turn = (float(getattr(train, name, 0)) for name in ("flip", "turn"))
        self.varied = train is not None
        self.seed = seed
        self.room = cache
        self.cache: dict[int, tuple[Tensor, ...]] = {}
        require_possible(self)

    def dice(self, epoch: int, index: int) -> np.random.Generator:
        """What is thrown for an example."""
        return np.random.default_rng((self.seed, epoch, index))

    def read(self, key: int, decode: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Pictures as decoded and resized to `load`, (C, H, W) uint8 or float32 in [0, 1]."""
        known = self.cache.get(key)
        if known is not None:
            return known
        images = tuple(self.loaded(image) for image in decode())
        size = sum(image.nbytes for image in images)
        if size <= self.room:
            self.cache[key] = images
            self.room -= size
        return images

    def loaded(self, image: Tensor) -> Tensor:
        """Resized to `load`; at least to the size of the crop."""
        height, width = image.shape[1:]
        short = self.load or max(self.crop, min(height, width))
        if short == min(height, width):
            return image.clone(memory_format=torch.contiguous_format)
        long = max(short, round(short * max(height, width) / min(height, width)))
        return resized(image, (short, long) if height <= width else (long, short))

    def vary(self, images: tuple[Tensor, ...], dice: np.random.Generator) -> tuple[Tensor, ...]:
        """A random part of pictures of one size, mirrored or turned; or their middle."""
        height, width = images[0].shape[1:]
        tall, wide = (self.crop or height, self.crop or width)
        if not self.varied:
            top, left = round((height - tall) / 2), round((width - wide) / 2)
            return tuple(image[:, top : top + tall, left : left + wide] for image in images)
        top, left = int(dice.integers(height - tall + 1)), int(dice.integers(width - wide + 1))
        images = tuple(image[:, top : top + tall, left : left + wide] for image in images)
        if dice.random() < self.flip:
            images = tuple(image.flip(2) for image in images)
        if dice.random() < self.turn:
            quarters = int(dice.integers(1, 4))
            images = tuple(image.rot90(quarters, (1, 2)) for image in images)
        return images


class PictureExamples:
    """Pictures alone, drawn by `examples[epoch, index]`.

    Args:
        records: of one split.
        dataset: where they come from.
        train: how to vary them (`PictureVariation`), or None.
        channels: C of the pictures; 1: grey, 3: RGB.
        load: where `train` is None, as in `Whole`.
        crop: the same.
        seed: of the dice.
        cache: bytes of decoded pictures to keep; a process that has read each once decodes no more.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: object | None,
        channels: int = 3,
        load: int = 0,
        crop: int = 0,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        self.records = tuple(records)
        self.dataset = dataset
        self.channels = channels
        self.looks = Looks(train, whole=Whole(load, crop), seed=seed, cache=cache)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> PictureItem:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: the picture cannot be read.
        """
        epoch, index = key
        record = self.records[index]
        images = self.looks.read(index, lambda: (read_one(record, self.channels),))
        (image,) = self.looks.vary(images, self.looks.dice(epoch, index))
        return PictureItem(image, record.name)


class PairExamples:
    """Pairs of a condition and its answer, varied alike, drawn by `examples[epoch, index]`.

    Args:
        records: of one split; with pairs, or of pictures where `degrade` makes the condition.
        dataset: where they come from.
        train: how to vary them (`PictureVariation`), or None.
        channels: C of condition and answer, one number for both.
        swapped: the answer is given and the condition wanted.
        degrade: makes the condition of the answer, after it was varied; None: the records have pairs.
        load: where `train` is None, as in `Whole`.
        crop: the same.
        seed: of the dice.
        cache: bytes of decoded pictures to keep; a process that has read each once decodes no more.

    Raises:
        OcellusError: the records have no pairs and there is no `degrade`. Exit code 2.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: object | None,
        channels: int | tuple[int, int] = 3,
        swapped: bool = False,
        degrade: Degrade | None = None,
        load: int = 0,
        crop: int = 0,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        if degrade is None and any(record.pair is None for record in records):
            raise OcellusError(
                f"{dataset.root} was read as {dataset.view}, wanted are pairs: give "
                'ocellus.read(path, view="pairs")',
                exit_code=2,
            )
        self.records = tuple(records)
        self.dataset = dataset
        self.channels = channels if isinstance(channels, tuple) else (channels, channels)
        self.swapped = swapped
        self.degrade = degrade
        self.looks = Looks(train, whole=Whole(load, crop), seed=seed, cache=cache)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> PairItem:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: a picture cannot be read, or the two differ in size.
        """
        epoch, index = key
        name = self.records[index].name
        dice = self.looks.dice(epoch, index)
        images = self.looks.vary(self.looks.read(index, lambda: self._decode(index)), dice)
        if self.degrade is None:
            return PairItem(images[0], images[1], name)
        target = as_float(images[0]).contiguous()
        return PairItem(self.degrade(target, dice), target, name)

    def _decode(self, index: int) -> tuple[Tensor, ...]:
        record = self.records[index]
        if self.degrade is not None or record.pair is None:
            return (read_one(record, self.channels[1]),)
        order = self.channels[::-1] if self.swapped else self.channels
        pictures = record.pair(channels=order)
        images = [p.pixels if p.channels is None else p.channels for p in pictures]
        return (images[1], images[0]) if self.swapped else (images[0], images[1])


class DomainExamples:
    """A picture of each of two domains, drawn by `examples[epoch, index]`.

    The larger domain comes in order, once an epoch; of the other one is thrown for each.

    Args:
        records: of one split, with label 0 or 1.
        dataset: where they come from.
        train: how to vary them (`PictureVariation`), or None: then the other domain comes in order, too.
        channels: C of the pictures of both domains.
        load: where `train` is None, as in `Whole`.
        crop: the same.
        seed: of the dice.
        cache: bytes of decoded pictures to keep; a process that has read each once decodes no more.

    Raises:
        OcellusError: a domain has no picture.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: object | None,
        channels: int = 3,
        load: int = 0,
        crop: int = 0,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        self.domains = tuple(tuple(record for record in records if record.label == k) for k in (0, 1))
        for held, name in zip(self.domains, dataset.labels.names or ("A", "B"), strict=True):
            if not held:
                raise OcellusError(
                    f"{dataset.root} has no pictures of the domain {name}; "
                    f"`ocellus check {dataset.root} --view domains` tells more"
                )
        self.dataset = dataset
        self.channels = channels
        self.looks = Looks(train, whole=Whole(load, crop), seed=seed, cache=cache)

    def __len__(self) -> int:
        return max(len(held) for held in self.domains)

    def __getitem__(self, key: tuple[int, int]) -> DomainItem:
        """The example of an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: a picture cannot be read.
        """
        epoch, index = key
        dice = self.looks.dice(epoch, index)
        first, second = (len(held) for held in self.domains)
        chosen = [index % first, index % second]
        if self.looks.varied:
            fewer = 0 if first < second else 1
            chosen[fewer] = int(dice.integers(min(first, second)))
        images = [self._one(k, number, dice) for k, number in enumerate(chosen)]
        names = [self.domains[k][number].name for k, number in enumerate(chosen)]
        return DomainItem(images[0], images[1], f"{names[0]} and {names[1]}")

    def _one(self, domain: int, number: int, dice: np.random.Generator) -> Tensor:
        record = self.domains[domain][number]
        key = 2 * number + domain
        images = self.looks.read(key, lambda: (read_one(record, self.channels),))
        return self.looks.vary(images, dice)[0]


def read_one(record: Record, channels: int) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1], of a record's picture; of a parted pair its half.

    Raises:
        OcellusError: it cannot be read.
    """
    if record.pair is None or record.label is None:
        return read_channels(record.image, channels)
    picture = record.pair(channels=(channels, channels))[record.label]
    return picture.pixels if picture.channels is None else picture.channels


def as_float(image: Tensor) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1], as the latter."""
    return image.float() / 255 if image.dtype == torch.uint8 else image


def require_possible(looks: Looks) -> None:
    """See that pictures can be varied as the settings say.

    Raises:
        OcellusError: they cannot. Exit code 2.
    """
    wrong = [
        (name, getattr(looks, name), "between 0 and 1")
        for name in ("flip", "turn")
        if not 0 <= getattr(looks, name) <= 1
    ]
    sides = [(name, getattr(looks, name)) for name in ("load", "crop")]
    wrong += [(name, value, "0 or a number of pixels") for name, value in sides if not 0 <= value < math.inf]
    if looks.load and looks.crop > looks.load:
        wrong.append(("crop", looks.crop, f"at most --load {looks.load}"))
    for name, value, wanted in wrong:
        raise OcellusError(f"--{name} is {value}; it has to be {wanted}", exit_code=2)
