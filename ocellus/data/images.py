"""Picture files in and out: whatever the file holds becomes 8-bit RGB, upright, or an error with the reason.

What is lost on the way is stated here. Transparent pixels are laid over white. 16-bit grey is divided by
65535, or by 4095 where every value fits 12 bits (microscopes and X-ray machines store 12 bits in 16). Float
pictures hold [0, 1]. Of an animation or a stack of pages the first picture is taken.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ocellus.data.pixels import from_array, from_pillow, upright
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
CURE = "open it with another program, copy it again, or take it out"


def is_picture(path: Path) -> bool:
    """Whether a file's ending is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """The picture in a file, as displayed (EXIF orientation applied).

    Raises:
        OcellusError: the file is missing, empty, truncated, not a picture or larger than 400 megapixels.
    """
    data = _bytes(Path(path))
    with _open(Path(path), io.BytesIO(data)) as image:
        turn = _orientation(image, io.BytesIO(data))
        try:
            pixels = from_pillow(image)
        except ValueError as error:
            raise OcellusError(f"{path}: {error}") from error
        except (OSError, SyntaxError, EOFError, struct.error, IndexError) as error:
            message = f"{path} is a broken or truncated {image.format} picture ({error}); {CURE}"
            raise OcellusError(message) from error
    return Picture(pixels=upright(pixels, turn), path=str(path))


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(H, W) of the picture in a file as displayed; reads the header only.

    Raises:
        OcellusError: the file is missing, empty, not a picture or larger than 400 megapixels.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream, _open(file, stream) as image:
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
