"""Pictures of any number of channels, with all their bits; behind `read_picture(..., channels=...)`."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from ocellus.data.picture_files import CURE, MOST_PIXELS, broken, opened, orientation, too_large
from ocellus.data.pixels import DEEP, from_pillow, upright
from ocellus.data.stacks import is_tiff, read_stack, stack_size
from ocellus.errors import OcellusError

BITS, EXTRA = 258, 338  # tags of TIFF: bits of each channel, what the channels beyond colours are


def stack_of(file: Path, data: bytes, count: int) -> Tensor:
    """(count, H, W) uint8, or float32 in [0, 1]; grey from colours and colours from grey, no more.

    Args:
        file: for messages.
        data: its bytes.
        count: the channels that are wanted.

    Raises:
        OcellusError: it cannot be decoded, or has another number of channels.
    """
    beyond = beyond_pillow(io.BytesIO(data))
    if is_tiff(io.BytesIO(data)) and (beyond or count not in (1, 3)):
        try:
            size = stack_size(io.BytesIO(data))
            if size.height * size.width * size.channels > MOST_PIXELS:
                raise too_large(file, f"{size.width}x{size.height} pixels of {size.channels} channels")
            stack = upright(_tensor(read_stack(io.BytesIO(data))), size.orientation)
        except ValueError as error:
            raise OcellusError(f"{file}: {error}; {CURE}") from error
    else:
        with opened(file, io.BytesIO(data)) as image:
            turn = orientation(image, io.BytesIO(data))
            try:
                array = _grey(image) if count == 1 else np.asarray(image)
            except (OSError, SyntaxError, EOFError, struct.error, IndexError, ValueError) as error:
                raise broken(file, image, error) from error
        array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
        stack = upright(_tensor(array), turn)
    if len(stack) == 1 and count == 3:
        return stack.expand(3, -1, -1)
    if len(stack) == 3 and count == 1:
        weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
        return torch.einsum("c,chw->hw", weights, as_floats(stack))[None].clamp_(0, 1)
    if len(stack) != count:
        raise OcellusError(
            f"{file} has {len(stack)} channels, wanted are {count}: give the setting channels (--channels "
            f"{len(stack)}) when the network is trained, or pictures of {count} channels"
        )
    return stack


def _grey(image: Image.Image) -> NDArray[Any]:
    """(H, W) uint8, uint16, or float32 in [0, 1]."""
    image.load()
    if image.mode == "1" or image.mode not in DEEP:
        return np.asarray(image if image.mode == "L" else Image.fromarray(_rgb(image)).convert("L"))
    array = np.asarray(image)
    if array.dtype == np.int32:  # Pillow's mode of 16-bit PNGs of old, and of 32 bits
        if int(array.min()) < 0 or int(array.max()) > 65535:
            raise ValueError("a picture holds integers in [0, 65535]")
        return array.astype(np.uint16)
    if array.dtype == np.float32 and not (float(array.min()) >= 0 and float(array.max()) <= 1):
        raise ValueError("a picture of fractions holds [0, 1]; divide by its white")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3), with transparency laid over white."""
    return np.ascontiguousarray(from_pillow(image).permute(1, 2, 0).numpy())


def _tensor(array: NDArray[Any]) -> Tensor:
    """An array of uint8, uint16 or fractions as a tensor of uint8, or of float32 in [0, 1]."""
    if array.dtype == np.uint16:
        array = array.astype(np.float32) / np.float32(65535)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def as_floats(stack: Tensor) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1], as the latter."""
    return stack.float() / 255 if stack.dtype == torch.uint8 else stack


def beyond_pillow(stream: BinaryIO) -> bool:
    """Whether a file is a TIFF of which Pillow gives less than it holds, or nothing: many channels, two that
    are not grey and transparency, 16-bit colours."""
    beyond = False
    if is_tiff(stream):
        try:
            image = Image.open(stream)
            tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
            deep = image.mode == "RGB" and max(tags.get(BITS, (8,))) > 8
            beyond = deep or (image.mode in ("L", "LA") and tags.get(EXTRA, (2,))[0] == 0)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error):
            with suppress(ValueError):
                beyond = stack_size(stream).channels > 0
        stream.seek(0)
    return beyond
