"""Training examples of label maps: pictures and the class of every pixel, varied alike.

What is thrown depends on (seed, epoch, index) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy import float32, uint8
from numpy.typing import NDArray
from torch import Tensor

from ocellus.data import label_transforms as transforms
from ocellus.data.dataset import Dataset, Record
from ocellus.data.examples import CACHE
from ocellus.data.images import read_channels
from ocellus.data.label_transforms import Labelled, Window
from ocellus.data.transforms import resized_size
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

__all__ = ["LabelBatch", "LabelExamples", "LabelItem", "LabelVariation", "collate_labels"]

Weigh = Callable[[NDArray[uint8]], NDArray[float32]]


class LabelBatch(NamedTuple):
    """What a training step gets."""

    images: (
        Tensor  # (B, C, H, W) float32 in [0, 1], zeros to the right and below up to a multiple of the stride
    )
    sizes: Tensor  # (B, 2) int64, the height and width of each picture before padding
    maps: Tensor  # (B, H, W) int64 classes; 255: ignored, the padding too
    weights: Tensor | None  # (B, H, W) float32 of each pixel's loss, 0 in the padding
    names: tuple[str, ...]


class LabelItem(NamedTuple):
    """One example on its way to a batch."""

    image: Tensor  # (C, H, W) uint8, or float32 in [0, 1]
    labels: Tensor  # (H, W) uint8
    weights: Tensor | None  # (H, W) float32
    name: str


class LabelVariation(Protocol):
    """How pictures are varied: the fields that the Train settings of systems for label maps share."""

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
    def rotate(self) -> float:
        """Largest rotation, in degrees to either side."""

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
    def elastic(self) -> float:
        """Standard deviation of the random smooth displacement, in pixels; 0: none."""

    @property
    def elastic_grid(self) -> float:
        """Pixels between the nodes of the grid on which the displacement is thrown."""


class LabelExamples:
    """The examples of some records with label maps, drawn by `examples[epoch, index]`.

    Args:
        records: of one split.
        dataset: where they come from.
        train: how to vary them, or None for the pictures as they are.
        channels: C of the pictures; 1: grey, 3: RGB.
        short_side: pictures are resized so that the shorter side has this many pixels; 0: not resized.
        seed: of the dice.
        weights: (H, W) classes -> (H, W) weights of the pixels' losses; None: no weights. It is asked once
            for each whole map, resized to the short side, so that a crop cuts no object in two; what it
            answers is varied with the map.
        cache: bytes of decoded pictures, maps and weights to keep; a process that has read each once decodes
            and weighs no more.
    """

    def __init__(
        self,
        records: Sequence[Record],
        dataset: Dataset,
        *,
        train: LabelVariation | None,
        channels: int = 3,
        short_side: int = 0,
        seed: int = 0,
        weights: Weigh | None = None,
        cache: int = CACHE,
    ) -> None:
        if train is not None:
            _require_possible(train)
        self.records = tuple(records)
        self.dataset = dataset
        self.train = train
        self.channels = channels
        self.short_side = short_side
        self.seed = seed
        self.weights = weights
        self.room = cache
        self.cache: dict[int, Labelled] = {}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> LabelItem:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: picture or map cannot be read, they differ in size, or the map holds a value of no
                class.
        """
        epoch, index = key
        example = self._read(index)
        if self.train is None:
            example = self._whole(example)
        else:
            dice = np.random.default_rng((self.seed, epoch, index))
            example = self._varied(example, self.train, dice)
        return LabelItem(*example, self.records[index].name)

    def _whole(self, example: Labelled) -> Labelled:
        size = self._size(example, 1.0)
        if size != example.size and example.image.dtype == torch.uint8:
            example = example._replace(image=example.image.float() / 255)
        return transforms.resize(example, size)

    def _varied(self, example: Labelled, train: LabelVariation, dice: np.random.Generator) -> Labelled:
        # Even in the logarithm: as often twice as large as half as large.
        factor = math.exp(dice.uniform(math.log(train.scale_low), math.log(train.scale_high)))
        scaled = self._size(example, factor)
        size = tuple(min(side, train.crop) for side in scaled) if train.crop else scaled
        top, left = (int(dice.integers(whole - part + 1)) for whole, part in zip(scaled, size, strict=True))
        window = Window(scaled, top, left, (size[0], size[1]))
        if train.rotate or train.elastic:
            degrees = float(dice.uniform(-train.rotate, train.rotate))
            bent = None
            if train.elastic:
                bent = transforms.smooth_displacement(
                    window.size, spacing=train.elastic_grid, deviation=train.elastic, dice=dice
                )
            example = transforms.warp(example, window, degrees=degrees, displacement=bent)
        else:
            example = transforms.cut(example, window)
        if dice.random() < train.flip:
            example = transforms.flip(example)
        if dice.random() < train.flip_vertical:
            example = transforms.flip_vertical(example)
        if dice.random() < train.turn:
            example = transforms.turn(example, int(dice.integers(1, 4)))
        if train.color:
            brightness, contrast, saturation = np.exp(dice.uniform(-train.color, train.color, 3) * 0.5)
            image = transforms.color(
                example.image,
                brightness=float(brightness), contrast=float(contrast), saturation=float(saturation),
            )  # fmt: skip
            example = example._replace(image=image)
        return transforms.pad(example, (train.crop, train.crop))

    def _size(self, example: Labelled, factor: float) -> tuple[int, int]:
        return resized_size(example.size, short_side=self.short_side, long_side=0, factor=factor)

    def _read(self, index: int) -> Labelled:
        """Picture and map as they are in their files, and the weights."""
        known = self.cache.get(index)
        if known is not None:
            return known
        record = self.records[index]
        if record.label_map is None:
            raise OcellusError(
                f"{record.name} has objects and no label map: read the data with view='classes'", exit_code=2
            )
        example = Labelled(
            read_channels(record.image, self.channels),
            torch.from_numpy(np.ascontiguousarray(record.label_map())),
        )
        height, width = example.image.shape[1:]
        if example.size != (height, width):
            raise OcellusError(
                f"{record.image} is {width}x{height} pixels, its label map {record.source} is "
                f"{example.size[1]}x{example.size[0]}: `ocellus check {self.dataset.root} --view classes` "
                "lists all such; write the map at the picture's size, without smoothing"
            )
        if self.weights is not None:
            seen = transforms.resized_labels(example.labels, self._size(example, 1.0))
            example = example._replace(weights=torch.from_numpy(self.weights(seen.numpy())))
        size = sum(part.nbytes for part in example if part is not None)
        if size <= self.room:
            self.cache[index] = example
            self.room -= size
        return example


def _require_possible(train: LabelVariation) -> None:
    """Raises OcellusError for settings that no picture can be varied by. Exit code 2."""
    chances = ("flip", "flip_vertical", "turn", "color")
    wrong = [(name, "between 0 and 1") for name in chances if not 0 <= getattr(train, name) <= 1]
    if not 0 < train.scale_low <= train.scale_high < math.inf:
        wrong.append(("scale_low", f"above 0 and at most --scale-high {train.scale_high}"))
    if train.crop < 0:
        wrong.append(("crop", "0 or a number of pixels"))
    if not 0 <= train.rotate <= 180:
        wrong.append(("rotate", "between 0 and 180 degrees"))
    if not 0 <= train.elastic < math.inf:
        wrong.append(("elastic", "0 or a number of pixels"))
    if train.elastic_grid < 1:
        wrong.append(("elastic_grid", "a number of pixels, at least 1"))
    if wrong:
        name, wanted = wrong[0]
        flag = "--" + name.replace("_", "-")
        raise OcellusError(f"{flag} is {getattr(train, name)}; it has to be {wanted}", exit_code=2)


def collate_labels(items: Sequence[LabelItem], *, stride: int = 32) -> LabelBatch:
    """Examples as one batch: pictures as floats, padded to a common size that is a multiple of `stride`."""
    height, width = (
        max(math.ceil(item.labels.shape[axis] / stride) * stride for item in items) for axis in (0, 1)
    )
    images = torch.zeros(len(items), items[0].image.shape[0], height, width)
    maps = torch.full((len(items), height, width), IGNORED, dtype=torch.int64)
    weighted = items[0].weights is not None
    weights = torch.zeros(len(items), height, width) if weighted else None
    for row, item in enumerate(items):
        h, w = item.labels.shape
        view = images[row, :, :h, :w]
        if item.image.dtype == torch.uint8:
            torch.div(item.image, 255, out=view)
        else:
            view.copy_(item.image)
        maps[row, :h, :w] = item.labels
        if weights is not None and item.weights is not None:
            weights[row, :h, :w] = item.weights
    return LabelBatch(
        images=images,
        sizes=torch.tensor([tuple(item.labels.shape) for item in items]),
        maps=maps,
        weights=weights,
        names=tuple(item.name for item in items),
    )
