"""Opening picture files: headers, orientation, and what is wrong with a file in words that help."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ocellus.data.drawings import member, member_bytes
from ocellus.errors import OcellusError

MOST_PIXELS = 400_000_000
# Pillow's guard against decompression bombs, for the whole process: it warns at 89 million pixels unless told
# otherwise. Ours gives an error; Pillow's is set out of its way.
Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, 2 * MOST_PIXELS)

ORIENTATION = 0x0112
CURE = "open it with another program, copy it again, or take it out"


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, or of one of the pictures that a file holds many of ("cat.npz#12").

    Raises:
        OcellusError: it cannot be read.
    """
    inner = None if path.is_file() else member(path)
    if inner is not None:
        return member_bytes(*inner)
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> OcellusError:
    """The error for a file that the system does not hand out."""
    if isinstance(error, FileNotFoundError):
        return OcellusError(f"there is no picture {path}; check the name and the folder")
    if isinstance(error, IsADirectoryError):
        return OcellusError(f"{path} is a folder, not a picture; name a file in it")
    return OcellusError(
        f"cannot read {path}: {error.strerror or error}; check the file's rights and the disk"
    )


def opened(path: Path, stream: Any) -> Image.Image:
    """The header of a picture.

    Raises:
        OcellusError: the file is empty, no picture, or too large.
    """
    try:
        image = Image.open(stream)
    except Image.DecompressionBombError as error:
        raise too_large(path, "more than 1600 million pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        stream.seek(0)
        head = stream.read(16)
        if not head:
            raise OcellusError(f"{path} is empty (0 bytes); {CURE}") from error
        shown = head.decode("latin-1") if head.isascii() else head.hex(" ")
        message = f"{path} is not a picture in spite of its name: it begins with {shown!r}; {CURE}"
        raise OcellusError(message) from error
    if image.width * image.height > MOST_PIXELS:
        raise too_large(path, f"{image.width}x{image.height} pixels")
    return image


def too_large(path: Path, what: str) -> OcellusError:
    """The error for a picture of more pixels than are read."""
    return OcellusError(
        f"{path} has {what}; at most {MOST_PIXELS // 10**6} megapixels are read: cut it into tiles"
    )


def orientation(image: Image.Image, stream: Any) -> int:
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


def broken(file: Path, image: Image.Image, error: Exception) -> OcellusError:
    """The error for a picture that cannot be decoded."""
    return OcellusError(f"{file} is a broken or truncated {image.format} picture ({error}); {CURE}")
