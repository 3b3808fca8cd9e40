"""Masks in picture files, whose pixels are numbers and not colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ocellus.data.picture_files import MOST_PIXELS
from ocellus.data.pixels import DEEP
from ocellus.errors import OcellusError
from ocellus.values import runs

WANTED = "wanted is a PNG of one channel, 8 or 16 bits, or with a palette"


def read_ids(path: Path) -> NDArray[Any]:
    """(H, W) uint8, uint16 or int32 of the numbers in a mask; those of a palette are the indices.

    Raises:
        OcellusError: the file is missing, broken or has colours.
    """
    with opened(path) as image:
        ids = np.asarray(image)
    if ids.ndim == 3 and ids.shape[2] >= 3 and (ids[:, :, :1] == ids[:, :, :3]).all():
        ids = ids[:, :, 0]  # grey stored as RGB
    if ids.ndim != 2 or not (ids.dtype == np.bool_ or np.issubdtype(ids.dtype, np.integer)):
        raise OcellusError(f"{path} has {ids.shape[-1] if ids.ndim == 3 else ids.dtype} channels; {WANTED}")
    return ids.astype(np.uint8) if ids.dtype == np.bool_ else ids


def read_colors(path: Path) -> NDArray[np.uint32]:
    """(H, W) red * 65536 + green * 256 + blue of the pixels of a mask; transparency is not looked at.

    Raises:
        OcellusError: the file is missing or broken.
    """
    with opened(path) as image:
        if image.mode in DEEP:
            raise OcellusError(f"{path} has numbers of more than 8 bits where colours are wanted; {WANTED}")
        colors = np.asarray(image if image.mode in ("RGB", "RGBA") else image.convert("RGB"))
    packed = colors[:, :, 0].astype(np.uint32)
    for channel in (1, 2):
        packed = (packed << np.uint32(8)) | colors[:, :, channel]
    return packed


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A mask's file, opened and decoded.

    Raises:
        OcellusError: the file is missing, broken, too large or a JPEG.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise OcellusError(
                    f"{path} has {image.width}x{image.height} pixels, more than is read: cut it"
                )
            if image.format == "JPEG":
                raise OcellusError(f"{path} is a JPEG, which blurs the numbers of a mask; {WANTED}")
            image.load()
            yield image
    except FileNotFoundError as error:
        raise OcellusError(f"there is no mask {path}; check the name and the folder") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise OcellusError(f"{path} is not a readable mask ({error}); {WANTED}") from error


def object_runs(ids: NDArray[Any]) -> dict[int, NDArray[np.int32]]:
    """Number -> run lengths of its pixels, for every number but 0, in rising order."""
    size = (int(ids.shape[0]), int(ids.shape[1]))
    values, places = np.unique(ids, return_inverse=True)
    dense = places.reshape(size).astype(np.int32) + (0 if values[0] == 0 else 1)
    found: dict[int, NDArray[np.int32]] = {}
    for number, window in zip(values[values != 0].tolist(), ndimage.find_objects(dense), strict=True):
        rows, columns = window
        inside = dense[window] == len(found) + 1
        found[int(number)] = runs.encode(inside, size=size, top=rows.start, left=columns.start)
    return found


def write_ids(ids: NDArray[Any], path: Path, *, colors: Sequence[tuple[int, int, int]] = ()) -> None:
    """Writes (H, W) uint8 or uint16 numbers as a PNG.

    Args:
        ids: the numbers.
        path: of the file.
        colors: of the numbers from 0 on, for a palette, in which all others are white; uint8 only.

    Raises:
        OcellusError: the file cannot be written.
    """
    image = Image.fromarray(ids)
    if colors:
        image.putpalette([channel for color in colors for channel in color] + [255] * 3 * (256 - len(colors)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except OSError as error:
        message = (
            f"cannot write {path}: {error.strerror or error}; check the folder's rights and the free space"
        )
        raise OcellusError(message) from error
