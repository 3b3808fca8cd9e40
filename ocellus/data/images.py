"""Picture files in and out: whatever the file holds becomes 8-bit RGB, upright, or an error with the reason.

What is lost on the way is stated here. Transparent pixels are laid over white. 16-bit grey is divided by
65535, or by 4095 where every value fits 12 bits (microscopes and X-ray machines store 12 bits in 16). Float
pictures hold [0, 1]. Of an animation or a stack of pages the first picture is taken.

Where a network asks for another number of channels than 3, nothing is lost: `Picture.channels` has them all,
8 bits divided by 255 and 16 bits by 65535 whatever the largest value, so that pictures can be compared.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ocellus.data.channels import as_floats, beyond_pillow, stack_of
from ocellus.data.drawings import member, member_pixels
from ocellus.data.picture_files import broken, opened, orientation, read_bytes, unreadable
from ocellus.data.pixels import from_array, from_pillow, upright
from ocellus.data.stacks import stack_size
from ocellus.errors import OcellusError
from ocellus.values import Picture

SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".tif",
        ".tiff",
        ".webp",
        ".gif",
        ".ppm",
        ".pgm",
        ".pbm",
    )
)


def is_picture(path: Path) -> bool:
    """Whether a file's ending is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def read_picture(path: str | os.PathLike[str], *, channels: int = 3) -> Picture:
    """The picture in a file, as displayed (EXIF orientation applied).

    Args:
        path: of the file.
        channels: how many are wanted. 3: RGB. 1: grey, of colours their brightness; the picture's `channels`
            then has it with all its bits. Others: the file has so many, and `channels` has them.

    Raises:
        OcellusError: the file is missing, empty, truncated, not a picture, larger than 400 megapixels, or has
            another number of channels.
    """
    file = Path(path)
    data = read_bytes(file)
    if channels == 3 and not beyond_pillow(io.BytesIO(data)):
        return Picture(pixels=_pixels(file, data), path=str(path))
    stack = stack_of(file, data, channels)
    floats = as_floats(stack)
    shown = floats[:3] if len(floats) >= 3 else floats[:1].expand(3, -1, -1)
    pixels = (shown * 255).round_().to(torch.uint8).contiguous()
    return Picture(pixels=pixels, path=str(path), channels=floats)


def read_channels(path: str | os.PathLike[str], count: int) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1] where the file has more than 8 bits: `read_picture` as a tensor.

    Args:
        path: of the file.
        count: C.

    Raises:
        OcellusError: as of `read_picture`.
    """
    file = Path(path)
    data = read_bytes(file)
    if count == 3 and not beyond_pillow(io.BytesIO(data)):
        return _pixels(file, data)
    return stack_of(file, data, count)


def _pixels(file: Path, data: bytes) -> Tensor:
    """(3, H, W) uint8 RGB of what Pillow reads."""
    with opened(file, io.BytesIO(data)) as image:
        turn = orientation(image, io.BytesIO(data))
        try:
            pixels = from_pillow(image)
        except ValueError as error:
            raise OcellusError(f"{file}: {error}") from error
        except (OSError, SyntaxError, EOFError, struct.error, IndexError) as error:
            raise broken(file, image, error) from error
    return upright(pixels, turn)


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(H, W) of the picture in a file as displayed; reads the header only.

    Raises:
        OcellusError: the file is missing, empty, not a picture or larger than 400 megapixels.
    """
    file = Path(path)
    inner = None if file.is_file() else member(file)
    if inner is not None:
        pixels = member_pixels(*inner)
        return int(pixels.shape[0]), int(pixels.shape[1])
    try:
        with file.open("rb") as stream:
            if beyond_pillow(stream):
                return stack_size(stream).displayed
            with opened(file, stream) as image:
                width, height = image.size
                turned = orientation(image, stream) >= 5
    except OSError as error:
        raise unreadable(file, error) from error
    return (width, height) if turned else (height, width)


def to_picture(image: Picture | Image.Image | NDArray[Any] | Tensor | str | os.PathLike[str]) -> Picture:
    """A picture from what Python programs hold one in.

    Args:
        image: a path; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a tensor (H, W),
            (1, H, W), (3, H, W) or (4, H, W). uint8, uint16, bool, or float in [0, 1].

    Raises:
        OcellusError: another shape, type or range of values. Exit code 2.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_picture(image)
    try:
        if isinstance(image, Image.Image):
            return Picture(pixels=upright(from_pillow(image), orientation(image, None)))
        if isinstance(image, Tensor):
            array = image.detach().cpu().numpy()
            array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
        else:
            array = np.asarray(image)
        return Picture(pixels=from_array(array))
    except ValueError as error:
        raise OcellusError(str(error), exit_code=2) from error


def write_picture(
    picture: Picture, path: str | os.PathLike[str], *, text: Mapping[str, str] | None = None
) -> None:
    """Writes a picture; the format follows the file's ending, JPEG at quality 95.

    Args:
        picture: its 8-bit RGB pixels are written.
        path: of the file; its folder is made.
        text: lines by keyword that a PNG keeps with the picture ("Source": "Made by ..."); other formats
            drop them.

    Raises:
        OcellusError: the ending is not a picture's (exit code 2), or the file cannot be written.
    """
    file = Path(path)
    if not is_picture(file):
        raise OcellusError(
            f"cannot write a picture as {file.name}; end the name with .png or .jpg", exit_code=2
        )
    image = Image.fromarray(picture.pixels.permute(1, 2, 0).cpu().numpy())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() == ".png":
            image.save(file, pnginfo=chunks(text or {}))
        else:
            image.save(file, quality=95)
    except OSError as error:
        message = (
            f"cannot write {file}: {error.strerror or error}; check the folder's rights and the free space"
        )
        raise OcellusError(message) from error


def chunks(text: Mapping[str, str]) -> PngInfo:
    """Lines by keyword as a PNG's chunks of text."""
    info = PngInfo()
    for keyword, line in text.items():
        info.add_itxt(keyword, line)
    return info
