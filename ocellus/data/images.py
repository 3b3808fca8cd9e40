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
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from ocellus.data.pixels import DEEP, from_array, from_pillow, upright
from ocellus.data.stacks import is_tiff, read_stack, stack_size
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
MOST_PIXELS = 400_000_000
# Pillow's guard against decompression bombs, for the whole process: it warns at 89 million pixels unless told
# otherwise. Ours gives an error; Pillow's is set out of its way.
Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, 2 * MOST_PIXELS)

ORIENTATION = 0x0112
BITS, EXTRA = 258, 338  # tags of TIFF: bits of each channel, what the channels beyond colours are
CURE = "open it with another program, copy it again, or take it out"


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
    data = _bytes(file)
    if channels == 3 and not _beyond_pillow(io.BytesIO(data)):
        return Picture(pixels=_pixels(file, data), path=str(path))
    stack = _stack(file, data, channels)
    floats = _floats(stack)
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
    data = _bytes(file)
    if count == 3 and not _beyond_pillow(io.BytesIO(data)):
        return _pixels(file, data)
    return _stack(file, data, count)


def _pixels(file: Path, data: bytes) -> Tensor:
    """(3, H, W) uint8 RGB of what Pillow reads."""
    with _open(file, io.BytesIO(data)) as image:
        turn = _orientation(image, io.BytesIO(data))
        try:
            pixels = from_pillow(image)
        except ValueError as error:
            raise OcellusError(f"{file}: {error}") from error
        except (OSError, SyntaxError, EOFError, struct.error, IndexError) as error:
            raise _broken(file, image, error) from error
    return upright(pixels, turn)


def _stack(file: Path, data: bytes, count: int) -> Tensor:
    """(count, H, W) uint8, or float32 in [0, 1]; grey from colours and colours from grey, no more."""
    beyond = _beyond_pillow(io.BytesIO(data))
    if is_tiff(io.BytesIO(data)) and (beyond or count not in (1, 3)):
        try:
            size = stack_size(io.BytesIO(data))
            if size.height * size.width * size.channels > MOST_PIXELS:
                raise _too_large(file, f"{size.width}x{size.height} pixels of {size.channels} channels")
            stack = upright(_tensor(read_stack(io.BytesIO(data))), size.orientation)
        except ValueError as error:
            raise OcellusError(f"{file}: {error}; {CURE}") from error
    else:
        with _open(file, io.BytesIO(data)) as image:
            turn = _orientation(image, io.BytesIO(data))
            try:
                array = _grey(image) if count == 1 else np.asarray(image)
            except (OSError, SyntaxError, EOFError, struct.error, IndexError, ValueError) as error:
                raise _broken(file, image, error) from error
        array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
        stack = upright(_tensor(array), turn)
    if len(stack) == 1 and count == 3:
        return stack.expand(3, -1, -1)
    if len(stack) == 3 and count == 1:
        weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
        return torch.einsum("c,chw->hw", weights, _floats(stack))[None].clamp_(0, 1)
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


def _floats(stack: Tensor) -> Tensor:
    """(C, H, W) uint8, or float32 in [0, 1], as the latter."""
    return stack.float() / 255 if stack.dtype == torch.uint8 else stack


def _beyond_pillow(stream: BinaryIO) -> bool:
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


def _broken(file: Path, image: Image.Image, error: Exception) -> OcellusError:
    return OcellusError(f"{file} is a broken or truncated {image.format} picture ({error}); {CURE}")


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(H, W) of the picture in a file as displayed; reads the header only.

    Raises:
        OcellusError: the file is missing, empty, not a picture or larger than 400 megapixels.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            if _beyond_pillow(stream):
                return stack_size(stream).displayed
            with _open(file, stream) as image:
                width, height = image.size
                turned = _orientation(image, stream) >= 5
    except OSError as error:
        raise _unreadable(file, error) from error
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
            return Picture(pixels=upright(from_pillow(image), _orientation(image, None)))
        if isinstance(image, Tensor):
            array = image.detach().cpu().numpy()
            array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
        else:
            array = np.asarray(image)
        return Picture(pixels=from_array(array))
    except ValueError as error:
        raise OcellusError(str(error), exit_code=2) from error


def write_picture(picture: Picture, path: str | os.PathLike[str]) -> None:
    """Writes a picture; the format follows the file's ending, JPEG at quality 95.

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
        image.save(file, quality=95)
    except OSError as error:
        message = (
            f"cannot write {file}: {error.strerror or error}; check the folder's rights and the free space"
        )
        raise OcellusError(message) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> OcellusError:
    if isinstance(error, FileNotFoundError):
        return OcellusError(f"there is no picture {path}; check the name and the folder")
    if isinstance(error, IsADirectoryError):
        return OcellusError(f"{path} is a folder, not a picture; name a file in it")
    return OcellusError(
        f"cannot read {path}: {error.strerror or error}; check the file's rights and the disk"
    )


def _open(path: Path, stream: Any) -> Image.Image:
    """The header of a picture, with clear errors."""
    try:
        image = Image.open(stream)
    except Image.DecompressionBombError as error:
        raise _too_large(path, "more than 1600 million pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        stream.seek(0)
        head = stream.read(16)
        if not head:
            raise OcellusError(f"{path} is empty (0 bytes); {CURE}") from error
        shown = head.decode("latin-1") if head.isascii() else head.hex(" ")
        message = f"{path} is not a picture in spite of its name: it begins with {shown!r}; {CURE}"
        raise OcellusError(message) from error
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(path, f"{image.width}x{image.height} pixels")
    return image


def _too_large(path: Path, what: str) -> OcellusError:
    return OcellusError(
        f"{path} has {what}; at most {MOST_PIXELS // 10**6} megapixels are read: cut it into tiles"
    )


def _orientation(image: Image.Image, stream: Any) -> int:
    """The EXIF orientation that is still to be applied, 1..8, without decoding the pixels."""
    if image.format == "TIFF":
        return 1  # Pillow applies it
    if image.format == "PNG" and "exif" not in image.info:
        exif = Image.Exif()
        chunk = _png_exif(stream) if stream is not None else b""
        exif.load(chunk)
    else:
        try:
            exif = image.getexif()
        except (OSError, SyntaxError, ValueError, struct.error):
            return 1  # a damaged EXIF block says nothing
    turn = exif.get(ORIENTATION, 1)
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _png_exif(stream: Any) -> bytes:
    """The eXIf chunk of a PNG, which may stand after the pixels; b"" where there is none."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return bytes(stream.read(length))
        stream.seek(length + 4, os.SEEK_CUR)
    return b""
