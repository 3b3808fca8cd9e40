"""Label maps larger than memory, written part by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocellus.errors import OcellusError

TILE = 512
"""Side of the tiles that are written."""


def bands(
    parts: Iterable[tuple[int, int, NDArray[np.uint8]]], width: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Whole rows of a label map from its parts, which come row by row of tiles: (top, (h, width))."""
    held: list[tuple[int, int, NDArray[np.uint8]]] = []
    begin = 0
    for part in parts:
        held.append(part)
        end = max(top + labels.shape[0] for top, _, labels in held)
        if sum(labels.size for _, _, labels in held) < (end - begin) * width:
            continue
        band = np.empty((end - begin, width), np.uint8)
        for top, left, labels in held:
            band[top - begin : top - begin + labels.shape[0], left : left + labels.shape[1]] = labels
        yield begin, band
        held, begin = [], end


def write_labels(
    path: Path,
    rows: Iterable[tuple[int, NDArray[np.uint8]]],
    size: tuple[int, int],
    *,
    colors: Sequence[tuple[int, int, int]] = (),
) -> None:
    """Write a label map band by band: a tiled TIFF with its colors, or an array (.npy).

    Args:
        path: ends in .tif, .tiff or .npy.
        rows: (top, (h, W)) bands from the top down, which cover the picture.
        size: (H, W).
        colors: RGB 0..255 of each label, for programs that show the file.

    Raises:
        OcellusError: another ending (exit code 2), or the disk refuses.
    """
    import tifffile

    suffix = path.suffix.lower()
    if suffix not in (".tif", ".tiff", ".npy"):
        raise OcellusError(f"cannot write labels as {path.name}; end the name with .tif or .npy", exit_code=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npy":
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=size)
            for top, band in rows:
                array[top : top + len(band)] = band
            array.flush()
            return
        table = np.zeros((3, 256), np.uint16)
        for label, color in enumerate(colors[:256]):
            table[:, label] = np.array(color, np.uint16) * 257
        look = {"photometric": "palette", "colormap": table} if colors else {"photometric": "minisblack"}
        with tifffile.TiffWriter(path) as writer:
            writer.write(
                _tiles(rows, size), shape=size, dtype=np.uint8, tile=(TILE, TILE), compression="zlib",
                maxworkers=1, metadata=None, **look,
            )  # fmt: skip
    except OSError as error:
        raise OcellusError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or name another place"
        ) from error


def _tiles(
    rows: Iterable[tuple[int, NDArray[np.uint8]]], size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Tiles of a TIFF, row by row, from bands of any height."""
    held = np.empty((0, size[1]), np.uint8)
    done = 0
    for top, band in rows:
        held = np.concatenate([held, band])
        while len(held) >= TILE or (top + len(band) == size[0] and done < size[0]):
            for left in range(0, size[1], TILE):
                piece = held[:TILE, left : left + TILE]
                yield np.pad(piece, ((0, TILE - piece.shape[0]), (0, TILE - piece.shape[1])))
            done += min(TILE, len(held))
            held = held[TILE:]
