"""Files that hold many small pictures, each with a name of its own: "cat.npz#12" is number 12, from 0.

QuickDraw's drawings come so: `.npy` and `.npz` as pixels (N, 784), (N, 28, 28) or (N, H, W, 3) of uint8,
`.ndjson` and `.bin` as strokes (`ocellus.data.strokes`), which are drawn at 28 x 28. Wherever a picture's
path is wanted, such a name will do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ocellus.data import strokes
from ocellus.errors import OcellusError

PIXELS = (".npy", ".npz")
STROKES = (".ndjson", ".bin")
SIDE = 28
PREFIXES = ("full_numpy_bitmap_", "full_simplified_", "full_binary_", "full_raw_", "full_", "sketchrnn_")
"""Of the names of Google's files, before the class."""


class Drawings(Sequence[NDArray[np.uint8]]):
    """The pictures of one file: (H, W) or (H, W, 3) uint8, for drawings 255 ink on 0.

    Args:
        path: of the file.
        side: of pictures that are made from strokes.

    Raises:
        OcellusError: it cannot be read, or holds none.
    """

    def __init__(self, path: Path, *, side: int = SIDE) -> None:
        self.path, self.side = path, side
        self.pixels: NDArray[np.uint8] | None = None
        self.offsets: tuple[int, ...] = ()
        try:
            if path.suffix.lower() in PIXELS:
                self.pixels = pixels_in(path)
            elif path.suffix.lower() == ".bin":
                self.offsets = (*strokes.packed_offsets(path), path.stat().st_size)
            else:
                self.offsets = strokes.line_offsets(path)
        except OSError as error:
            raise OcellusError(f"cannot read {path}: {error.strerror or error}; check its rights") from error

    def __len__(self) -> int:
        if self.pixels is not None:
            return len(self.pixels)
        return len(self.offsets) - (self.path.suffix.lower() == ".bin")

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        if self.pixels is not None:
            return np.ascontiguousarray(self.pixels[index])
        if self.path.suffix.lower() == ".bin":
            lines = strokes.read_packed(self.path, self.offsets[index], self.offsets[index + 1])
        else:
            lines = strokes.read_line(self.path, self.offsets[index])[1]
        return strokes.rasterised(lines, side=self.side)

    def word(self) -> str:
        """What the drawings are of: the word in the file, else its name without Google's prefix."""
        if self.path.suffix.lower() == ".ndjson" and self.offsets:
            word = strokes.read_line(self.path, self.offsets[0])[0]
            if word:
                return word
        name = self.path.stem
        return next((name.removeprefix(one) for one in PREFIXES if name.startswith(one)), name)


def pixels_in(path: Path) -> NDArray[np.uint8]:
    """(N, H, W) or (N, H, W, 3) of a .npy, which stays on the disk, or of a .npz's `images` or only entry.

    Raises:
        OcellusError: it holds something else.
    """
    wanted = "wanted is uint8 (N, 784), (N, H, W) or (N, H, W, 3)"
    try:
        loaded = np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                names = loaded.files
                chosen = "images" if "images" in names else names[0] if len(names) == 1 else ""
                if not chosen:
                    raise OcellusError(f"{path} has the entries {', '.join(names)}; {wanted} as `images`")
                loaded = loaded[chosen]
    except (ValueError, EOFError, KeyError) as error:
        raise OcellusError(
            f"{path} cannot be read as pictures ({str(error).splitlines()[0]}); {wanted}: of QuickDraw the "
            "numpy bitmaps, not sketch-RNN's files"
        ) from error
    side = math.isqrt(loaded.shape[1]) if loaded.ndim == 2 else 0
    if loaded.ndim == 2 and side * side == loaded.shape[1]:
        loaded = loaded.reshape(-1, side, side)
    colors = loaded.ndim == 4 and loaded.shape[3] == 3
    if loaded.dtype != np.uint8 or not (loaded.ndim == 3 or colors) or 0 in loaded.shape[1:]:
        raise OcellusError(f"{path} holds {loaded.dtype} {loaded.shape}; {wanted}")
    pixels: NDArray[np.uint8] = loaded
    return pixels


def is_drawings(path: Path) -> bool:
    """Whether a file holds many pictures; an array of one picture or of fractions does not."""
    if path.suffix.lower() not in (*PIXELS, *STROKES) or not path.is_file():
        return False
    if path.suffix.lower() != ".npy":
        return True
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return False
    return bool(held.dtype == np.uint8 and held.shape[1:] == (SIDE * SIDE,))


def member(path: Path) -> tuple[Path, int] | None:
    """The file and the number that a name like "cat.npz#12" stands for; None where it is no such name."""
    stem, mark, number = path.name.rpartition("#")
    if not mark or not number.isdecimal() or Path(stem).suffix.lower() not in (*PIXELS, *STROKES):
        return None
    return path.with_name(stem), int(number)


def member_pixels(file: Path, index: int) -> NDArray[np.uint8]:
    """One picture of a file.

    Raises:
        OcellusError: there is no such file or number.
    """
    if not file.is_file():
        raise OcellusError(f"there is no {file}; check the name and the folder")
    held = opened(file, file.stat().st_mtime_ns)
    if index >= len(held):
        raise OcellusError(f"{file} holds {len(held)} pictures, 0 to {len(held) - 1}; there is no {index}")
    return held[index]


def member_bytes(file: Path, index: int) -> bytes:
    """One picture as the bytes of a picture file (PGM or PPM), for whatever decodes those.

    Raises:
        OcellusError: there is no such file or number.
    """
    pixels = member_pixels(file, index)
    kind = "P6" if pixels.ndim == 3 else "P5"
    return f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes()


@lru_cache(maxsize=256)
def opened(file: Path, changed: int) -> Drawings:
    """A file's pictures, opened once; `changed` is its time of change, so that a new one is seen."""
    return Drawings(file)
