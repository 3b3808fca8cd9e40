"""Training examples: a record's picture and target, varied by dice thrown for (seed, epoch, index) alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ocellus.data import target as targets
from ocellus.data import transforms
from ocellus.data.dataset import Dataset, Record
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.data.target import Target
from ocellus.data.transforms import Example
from ocellus.errors import OcellusError

__all__ = ["Batch", "Examples", "Item", "Target", "Variation", "collate"]

STRIDE = 32  # the coarsest level that convolves the picture itself; batches are padded to a multiple of it
CACHE = 512 * 2**20  # bytes of decoded pictures that one process keeps


class Batch(NamedTuple):
    """What a training step gets."""

    images: Tensor  # (B, 3, H, W) float32 in [0, 1], zeros to the right and below up to a multiple of 32
    sizes: Tensor  # (B, 2) int64, the height and width of each picture before padding
    targets: tuple[Target, ...]
    names: tuple[str, ...]


class Item(NamedTuple):
    """One example on its way to a batch."""

    image: Tensor  # (3, H, W) uint8, or float32 in [0, 1]
    target: Target
    name: str


class Variation(Protocol):
    """How pictures are varied: the fields that a system's Train settings share."""

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
    def scale_low(self) -> float:
        """Smallest factor of the scale jitter."""

    @property
    def scale_high(self) -> float:
        """Largest factor of the scale jitter."""

    @property
    def crop(self) -> int:
        """Side of a random square crop after scaling; 0: none."""

    @property
    def color(self) -> float:
        """Strength of random brightness, contrast and saturation, 0 to 1."""

    @property
    def mosaic(self) -> float:
        """Chance of four pictures put together as one."""

    @property
    def copy_paste(self) -> float:
        """Chance of objects of another picture pasted in."""


class Examples:
    """The examples of some records, drawn by `examples[epoch, index]`.

    Args:
        records: of one split.
        dataset: where they come from, for the class names and the skeleton.
        train: how to vary them, or None for the pictures as they are.
        short_side: pictures are resized so that the shorter side has this many pixels; 0: not resized.
        long_side: but the longer side at most this many.
        seed: of the dice.
        cache: bytes of decoded pictures to keep; a process that has read each once decodes no more. 0: none.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: Variation | None,
        short_side: int,
        long_side: int,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        if train is not None:
            _require_possible(train)
        self.records = tuple(records)
        self.dataset = dataset
        self.train = train
        self.short_side = short_side
        self.long_side = long_side
        self.seed = seed
        self.room = cache
        self.cache: dict[int, Tensor] = {}
        self.order = dataset.skeleton.flip_order if dataset.skeleton else ()

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: the picture cannot be read or has another size than its annotation says.
        """
        epoch, index = key
        if self.train is None:
            example = self._read(index)
            size = self._size(example, 1.0)
            if size != example.size:
                example = transforms.resize(example._replace(image=example.image.float() / 255), size)
        else:
            dice = np.random.default_rng((self.seed, epoch, index))
            example = self._varied(index, self.train, dice)
        return Item(example.image, example.target, self.records[index].name)

    def _varied(self, index: int, train: Variation, dice: np.random.Generator) -> Example:
        if dice.random() < train.mosaic:
            example = self._mosaic(index, train, dice)
        else:
            example = self._cut(self._view(index, train, dice), train, dice)
        if dice.random() < train.copy_paste:
            other = self._cut(self._view(int(dice.integers(len(self))), train, dice), train, dice)
            chosen = np.flatnonzero(
                (dice.random(len(other.target.boxes)) < 0.5) & ~other.target.crowd.numpy()
            )
            example = transforms.copy_paste(example, other, chosen.tolist())
        if train.color:
            brightness, contrast, saturation = np.exp(dice.uniform(-train.color, train.color, 3) * 0.5)
            image = transforms.color(
                example.image,
                brightness=float(brightness), contrast=float(contrast), saturation=float(saturation),
            )  # fmt: skip
            example = example._replace(image=image)
        return example

    def _view(self, index: int, train: Variation, dice: np.random.Generator) -> Example:
        """One picture flipped, turned and resized."""
        example = self._read(index)
        if dice.random() < train.flip:
            example = transforms.flip(example, self.order)
        if dice.random() < train.flip_vertical:
            example = transforms.flip_vertical(example, self.order)
        if dice.random() < train.turn:
            for _ in range(int(dice.integers(1, 4))):
                example = transforms.turn(example)
        # Even in the logarithm: as often twice as large as half as large.
        factor = math.exp(dice.uniform(math.log(train.scale_low), math.log(train.scale_high)))
        return transforms.resize(example, self._size(example, factor))

    def _cut(self, example: Example, train: Variation, dice: np.random.Generator) -> Example:
        if not train.crop:
            return example
        height, width = (min(side, train.crop) for side in example.size)
        top = int(dice.integers(example.size[0] - height + 1))
        left = int(dice.integers(example.size[1] - width + 1))
        return transforms.crop(example, (left, top, width, height))

    def _mosaic(self, index: int, train: Variation, dice: np.random.Generator) -> Example:
        first = self._view(index, train, dice)
        others = [self._view(int(i), train, dice) for i in dice.integers(len(self), size=3)]
        height, width = (train.crop, train.crop) if train.crop else first.size
        row, column = dice.uniform(0.35, 0.65, 2)  # no quarter so thin that nothing whole is in it
        center = (min(max(round(height * row), 1), height - 1), min(max(round(width * column), 1), width - 1))
        order = dice.permutation(4)
        return transforms.mosaic([[first, *others][i] for i in order], (height, width), center)

    def _size(self, example: Example, factor: float) -> tuple[int, int]:
        return transforms.resized_size(
            example.size, short_side=self.short_side, long_side=self.long_side, factor=factor
        )

    def _read(self, index: int) -> Example:
        record = self.records[index]
        image = self.cache.get(index)
        if image is None:
            image = read_picture(record.image).pixels
            if image.nbytes <= self.room:
                self.cache[index] = image
                self.room -= image.nbytes
        objects = instances(record, self.dataset)
        height, width = image.shape[1:]
        if objects.size != (height, width):
            raise OcellusError(
                f"{record.image} is {width}x{height} pixels, its annotation in {record.source} is for "
                f"{objects.size[1]}x{objects.size[0]}: run `ocellus check` and mend or leave out the picture"
            )
        return Example(image, targets.from_instances(objects, keypoints=len(self.dataset.skeleton or ())))


def _require_possible(train: Variation) -> None:
    """Raises OcellusError for settings that no picture can be varied by. Exit code 2."""
    chances = ("flip", "flip_vertical", "turn", "mosaic", "copy_paste", "color")
    wrong = [(name, "between 0 and 1") for name in chances if not 0 <= getattr(train, name) <= 1]
    if not 0 < train.scale_low <= train.scale_high < math.inf:
        wrong.append(("scale_low", f"above 0 and at most --scale-high {train.scale_high}"))
    if train.crop < 0:
        wrong.append(("crop", "0 or a number of pixels"))
    if wrong:
        name, wanted = wrong[0]
        flag = "--" + name.replace("_", "-")
        raise OcellusError(f"{flag} is {getattr(train, name)}; it has to be {wanted}", exit_code=2)


def collate(items: Sequence[Item]) -> Batch:
    """Examples as one batch: pictures as floats, padded to a common size."""
    height, width = (
        max(math.ceil(item.image.shape[axis] / STRIDE) * STRIDE for item in items) for axis in (1, 2)
    )
    images = torch.zeros(len(items), 3, height, width)
    for row, item in zip(images, items, strict=True):
        view = row[:, : item.image.shape[1], : item.image.shape[2]]
        if item.image.dtype == torch.uint8:
            torch.div(item.image, 255, out=view)
        else:
            view.copy_(item.image)
    return Batch(
        images=images,
        sizes=torch.tensor([item.image.shape[1:] for item in items]),
        targets=tuple(item.target for item in items),
        names=tuple(item.name for item in items),
    )
