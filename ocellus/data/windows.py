"""Pictures larger than memory, read part by part.

A TIFF is cut into tiles or strips, each packed by itself; only those that a part touches are unpacked, and
the ones used last are kept. A plain array (.npy, or a TIFF that is not packed) is mapped into memory instead.
Any other picture is read whole, as bytes.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.data.images import picture_size, read_picture
from ocellus.errors import OcellusError

if TYPE_CHECKING:
    from tifffile import TiffPage

LARGE = 60_000_000
"""Pixels above which a picture is looked at part by part."""

KEPT = 256 << 20
"""Bytes of unpacked tiles or strips that are kept; one at least."""

TIFF_SUFFIXES = (".tif", ".tiff")
GREY = np.array((0.299, 0.587, 0.114), np.float32)  # Rec. 601
BROKEN = (OSError, ValueError, IndexError, KeyError, RuntimeError, EOFError, zlib.error)  # of tifffile
Part = NDArray[Any]


class Source:
    """A picture that is read part by part.

    Args:
        read: (top, bottom, left, right) -> (bottom - top, right - left, C) uint8, uint16, or float in [0, 1].
        size: (H, W).
        given: C.
        channels: that are wanted: as many as given, or 3 or 1, which are made of each other.
        alpha: whether the last of 2 or 4 channels is opacity; it is laid over white.
        path: of the file, for messages.

    Raises:
        OcellusError: the channels do not fit.
    """

    def __init__(
        self,
        read: Callable[[int, int, int, int], Part],
        size: tuple[int, int],
        *,
        given: int,
        channels: int = 3,
        alpha: bool = False,
        path: str = "",
    ) -> None:
        self.read, self.size, self.channels, self.alpha, self.path = read, size, channels, alpha, path
        colors = given - 1 if alpha and channels in (1, 3) else given
        self.alpha = alpha and colors < given
        if colors != channels and {colors, channels} != {1, 3}:
            raise OcellusError(
                f"{path or 'the picture'} has {given} channels, wanted are {channels}: give the setting "
                f"channels (--channels {given}) when the network is trained, or pictures of {channels}"
            )

    def window(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """(1, C, bottom - top, right - left) float32 in [0, 1] of a part that lies within the picture.

        Raises:
            OcellusError: the file is broken there.
        """
        try:
            part = self.read(top, bottom, left, right)
        except BROKEN as error:
            raise OcellusError(
                f"{self.path} is broken between rows {top} and {bottom} ({error}); copy it again"
            ) from error
        array = fractions(part)
        if self.alpha:
            array = array[:, :, :-1] * array[:, :, -1:] + (1 - array[:, :, -1:])
        if array.shape[2] != self.channels:
            array = array @ GREY[:, None] if self.channels == 1 else np.repeat(array, 3, axis=2)
        return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None]


def fractions(array: Part) -> NDArray[np.float32]:
    """Whole numbers divided by the largest of their type; fractions as they are."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype == bool:
        return array.astype(np.float32)
    return array.astype(np.float32) * np.float32(1 / np.iinfo(array.dtype).max)


def is_large(path: Path) -> bool:
    """Whether a picture is to be looked at part by part: more than 60 megapixels, or an array in a file.

    Raises:
        OcellusError: it is missing or no picture.
    """
    if path.suffix.lower() == ".npy":
        return True
    if path.suffix.lower() in TIFF_SUFFIXES and path.is_file():
        import tifffile  # here and below: it takes a while, and few need it

        try:
            with tifffile.TiffFile(path) as file:
                page = file.pages.first
                return bool(page.imagelength * page.imagewidth > LARGE)
        except BROKEN:
            return False  # `read_picture` says what is wrong
    height, width = picture_size(path)
    return height * width > LARGE


def open_source(path: Path, *, channels: int = 3) -> Source:
    """A picture file, to be read part by part.

    Args:
        path: a TIFF, a .npy of (H, W) or (H, W, C) whole numbers or fractions, or any other picture.
        channels: that the network takes.

    Raises:
        OcellusError: it is missing, broken, packed in a way that cannot be unpacked, or has other channels.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _of_array(_mapped(path), channels=channels, path=str(path))
    if suffix in TIFF_SUFFIXES:
        return _of_tiff(path, channels)
    picture = read_picture(path, channels=channels)
    if picture.channels is not None:
        array = picture.channels.permute(1, 2, 0).numpy()
    else:
        array = picture.pixels.permute(1, 2, 0).numpy()
    return _of_array(array, channels=channels, path=str(path))


def _mapped(path: Path) -> Part:
    try:
        array: Part = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise OcellusError(f"{path} is no array that numpy wrote ({error}); np.save writes one") from error
    if array.ndim not in (2, 3) or array.dtype.kind not in "uf" or not array.size:
        raise OcellusError(
            f"{path} is {array.dtype} of {array.shape}; a picture is (H, W) or (H, W, C) of uint8, uint16 or "
            "fractions in [0, 1]"
        )
    return array


def _of_array(array: Part, *, channels: int, path: str) -> Source:
    def read(top: int, bottom: int, left: int, right: int) -> Part:
        part = array[top:bottom, left:right]
        return part[:, :, None] if part.ndim == 2 else part

    given = array.shape[2] if array.ndim == 3 else 1
    return Source(read, (array.shape[0], array.shape[1]), given=given, channels=channels, path=path)


def _of_tiff(path: Path, channels: int) -> Source:
    import tifffile

    try:
        file = tifffile.TiffFile(path)
        page = file.pages.first
        height, width, count = page.imagelength, page.imagewidth, page.samplesperpixel
        kind, page_axes = page.dtype, page.axes
    except BROKEN as error:
        raise OcellusError(f"{path} is no TIFF that can be read ({error}); write it again") from error
    if kind is None or kind.kind not in "uf" or page_axes not in ("YX", "YXS", "SYX"):
        raise OcellusError(
            f"{path} holds {kind} by {page_axes}; a picture is rows, columns and channels (YX, YXS or SYX) "
            "of uint8, uint16 or fractions in [0, 1]"
        )
    alpha = bool(page.extrasamples) and page.extrasamples[0] in (1, 2) and count in (2, 4)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise OcellusError(f"{path} has a palette; write it in true colors to look at it part by part")
    try:
        segments = Segments(page)
        segments.segment(0)
    except BROKEN as error:
        packing = tifffile.COMPRESSION(page.compression).name
        raise OcellusError(
            f"{path} cannot be unpacked ({packing}: {error}): install imagecodecs (`pip install "
            "imagecodecs`), or write it with deflate or without compression"
        ) from error
    return Source(segments.read, (height, width), given=count, channels=channels, alpha=alpha, path=str(path))


class Segments:
    """The tiles or strips of a TIFF page, unpacked when they are needed.

    Args:
        page: of an open file.
    """

    def __init__(self, page: TiffPage) -> None:
        self.page = page
        self.planes = page.samplesperpixel if page.planarconfig == 2 else 1
        self.samples = page.samplesperpixel // self.planes
        if page.is_tiled:
            self.tall, self.wide = page.tilelength, page.tilewidth
        else:
            self.tall, self.wide = min(page.rowsperstrip, page.imagelength), page.imagewidth
        self.down = -(-page.imagelength // self.tall)
        self.across = -(-page.imagewidth // self.wide)
        self.kept: OrderedDict[int, Part] = OrderedDict()
        self.bytes = 0
        self.flat = _mapped_page(page)

    def read(self, top: int, bottom: int, left: int, right: int) -> Part:
        """(bottom - top, right - left, C) of a part that lies within the picture."""
        if self.flat is not None:
            flat = self.flat.reshape(self.page.shape)
            if self.planes > 1:
                return np.moveaxis(flat[:, top:bottom, left:right], 0, -1)
            part = flat[top:bottom, left:right]
            return part[:, :, None] if part.ndim == 2 else part
        out = np.zeros((bottom - top, right - left, self.planes * self.samples), self.page.dtype)
        for plane in range(self.planes):
            channels = slice(plane * self.samples, (plane + 1) * self.samples)
            for row in range(top // self.tall, -(-bottom // self.tall)):
                for column in range(left // self.wide, -(-right // self.wide)):
                    number = (plane * self.down + row) * self.across + column
                    y, x = row * self.tall, column * self.wide
                    y1, x1 = max(top, y), max(left, x)
                    block = self.segment(number)[y1 - y : bottom - y, x1 - x : right - x]
                    target = out[y1 - top :, x1 - left :, channels]
                    target[: block.shape[0], : block.shape[1]] = block
        return out

    def segment(self, number: int) -> Part:
        """(h, w, samples) of one tile or strip."""
        if number in self.kept:
            self.kept.move_to_end(number)
            return self.kept[number]
        handle = self.page.parent.filehandle
        count = self.page.databytecounts[number]
        packed: bytes | None = None
        if count:
            handle.seek(self.page.dataoffsets[number])
            packed = handle.read(count)
        found, _, shape = self.page.decode(packed, number, jpegtables=self.page.jpegtables)
        block = np.zeros(shape[1:], self.page.dtype) if found is None else found[0]
        self.kept[number] = block
        self.bytes += block.nbytes
        while self.bytes > KEPT and len(self.kept) > 1:
            self.bytes -= self.kept.popitem(last=False)[1].nbytes
        return block


def _mapped_page(page: TiffPage) -> Part | None:
    """A page that is not packed, mapped into memory."""
    import tifffile

    if not page.is_memmappable or page.parent.filehandle.path is None:
        return None
    found: Part = tifffile.memmap(page.parent.filehandle.path, page=0, mode="r")
    return found
