"""TIFF files that no screen shows: any number of channels, 16 bits and fractions."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION = 274
BROKEN = (OSError, ValueError, IndexError, KeyError, RuntimeError, EOFError, zlib.error)  # of tifffile


def is_tiff(stream: BinaryIO) -> bool:
    """Whether a file begins as a TIFF does, big ones too; leaves the stream at its start."""
    stream.seek(0)
    head = stream.read(4)
    stream.seek(0)
    return head in MAGIC


def read_stack(stream: BinaryIO) -> NDArray[Any]:
    """(C, H, W) uint8, uint16 or float32 in [0, 1] of a TIFF's first picture as stored.

    Pages may be its channels.

    Raises:
        ValueError: the file is broken, has more than rows, columns and channels, or values of another kind.
    """
    from tifffile import TiffFile

    try:
        stream.seek(0)
        with TiffFile(stream) as file:
            series = file.series[0]
            shape, axes = _layout(series)
            array = series.asarray()
    except BROKEN as error:
        raise ValueError(f"the TIFF cannot be read ({error})") from error
    array = array.reshape(shape)
    order = [place for place, axis in enumerate(axes) if axis not in "YX"]
    array = array.transpose(*order, axes.index("Y"), axes.index("X"))
    return _fractions(array.reshape(-1, *array.shape[-2:]))


class StackSize(NamedTuple):
    """(C, H, W) of a TIFF's first picture as stored, and the EXIF orientation it is to be displayed in."""

    channels: int
    height: int
    width: int
    orientation: int

    @property
    def displayed(self) -> tuple[int, int]:
        """(H, W) once it is turned upright."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def stack_size(stream: BinaryIO) -> StackSize:
    """The size of a TIFF's first picture, without decoding it.

    Raises:
        ValueError: as of `read_stack`.
    """
    from tifffile import TiffFile

    try:
        stream.seek(0)
        with TiffFile(stream) as file:
            shape, axes = _layout(file.series[0])
            tag = file.pages.first.tags.get(ORIENTATION)
            turn = int(tag.value) if tag is not None else 1
    except BROKEN as error:
        raise ValueError(f"the TIFF cannot be read ({error})") from error
    sides = dict(zip(axes, shape, strict=True))
    others = [side for axis, side in sides.items() if axis not in "YX"]
    channels = int(np.prod(others, dtype=np.int64))
    return StackSize(channels, sides["Y"], sides["X"], turn if 1 <= turn <= 8 else 1)


def _layout(series: TiffPageSeries) -> tuple[tuple[int, ...], str]:
    """(shape, axes) without axes of length 1 but Y and X.

    Raises:
        ValueError: there are two axes beside them.
    """
    kept = [
        (int(side), axis)
        for side, axis in zip(series.shape, series.axes, strict=True)
        if side != 1 or axis in "YX"
    ]
    axes = "".join(axis for _, axis in kept)
    if "Y" not in axes or "X" not in axes or len(axes) > 3:
        sides = "x".join(map(str, series.shape))
        raise ValueError(f"it has {sides} values along {series.axes}; wanted are rows, columns and channels")
    return tuple(side for side, _ in kept), axes


def _fractions(array: NDArray[Any]) -> NDArray[Any]:
    """The same as uint8, uint16 or float32 in [0, 1].

    Raises:
        ValueError: other values.
    """
    if array.dtype in (np.uint8, np.uint16):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if low >= 0 and high <= 1:  # not NaN either
            return array.astype(np.float32)
        raise ValueError(f"its fractions are in [{low:g}, {high:g}]; wanted is [0, 1]: divide by its white")
    raise ValueError(f"its values are {array.dtype}; wanted are uint8, uint16, or fractions in [0, 1]")
