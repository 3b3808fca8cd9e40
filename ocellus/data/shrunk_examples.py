"""Parts of photographs at their sharpest: made smaller first, so that compression and blur are gone.

What is thrown depends on (seed, epoch, index) alone. Pictures are decoded and made smaller once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from torch import Tensor

from ocellus.data.bicubic import resize_bicubic
from ocellus.data.dataset import Record
from ocellus.data.examples import CACHE
from ocellus.data.images import read_channels
from ocellus.data.picture_batches import PictureItem
from ocellus.data.picture_examples import Looks, Whole, as_float
from ocellus.errors import OcellusError

LOSSY = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".webp"))
"""Endings of files that have been compressed with loss."""


class ShrunkExamples:
    """Random square parts of pictures, JPEGs made smaller first, drawn by `examples[epoch, index]`.

    Args:
        records: of one split.
        train: how to vary them: `crop`, `flip`, `turn` of `ocellus.data.picture_examples.PictureVariation`.
        shrink: how many times smaller those are made that were compressed with loss.
        crop: the least that a picture is made smaller to.
        channels: C of the pictures.
        seed: of the dice.
        cache: bytes of pictures to keep; a process that has read each once decodes no more.

    Raises:
        OcellusError: chances that are none. Exit code 2.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        train: object,
        shrink: float = 1.0,
        crop: int = 0,
        channels: int = 3,
        seed: int = 0,
        cache: int = CACHE,
    ) -> None:
        self.records = tuple(records)
        self.shrink, self.crop, self.channels = shrink, crop, channels
        self.looks = Looks(train, whole=Whole(), seed=seed, cache=cache)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> PictureItem:
        """The example of a record in an epoch, the same whenever and wherever it is asked for.

        Raises:
            OcellusError: the picture cannot be read, or is smaller than the crop.
        """
        epoch, index = key
        record = self.records[index]
        images = self.looks.read(
            index, lambda: (read_shrunk(record, self.shrink, crop=self.crop, channels=self.channels),)
        )
        (image,) = self.looks.vary(images, self.looks.dice(epoch, index))
        return PictureItem(image, record.name)


def read_shrunk(record: Record, shrink: float, *, crop: int = 0, channels: int = 3) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1]: a picture made smaller, but not smaller than a crop; lossless
    ones as they are.

    Args:
        record: of the picture.
        shrink: how many times smaller, 1 or more.
        crop: least side of the answer.
        channels: C.

    Raises:
        OcellusError: the picture cannot be read, or is smaller than the crop to begin with.
    """
    image = read_channels(record.image, channels)
    height, width = image.shape[1:]
    if min(height, width) < crop:
        raise OcellusError(
            f"{record.image} is {width}x{height} pixels, and parts of {crop}x{crop} are learnt: leave it "
            "out, or give a smaller --crop"
        )
    lossy = record.image.suffix.lower() in LOSSY
    factor = min(shrink, min(height, width) / max(crop, 1)) if lossy else 1.0
    if factor <= 1:
        return image
    size = (max(crop, floor(height / factor)), max(crop, floor(width / factor)))
    small = resize_bicubic(as_float(image), size=size).clamp_(0, 1)
    return (small * 255).round_().to(image.dtype) if not image.is_floating_point() else small
