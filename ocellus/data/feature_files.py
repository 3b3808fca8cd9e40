"""The files of a feature database: written so that they are on the disk, and compared with their log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocellus.data.feature_log import EMPTY, RECORD, Commit, next_commit
from ocellus.errors import OcellusError

NUMBERS, LINES, LOG = "features.f32", "pictures.jsonl", "stored.log"
BYTES = 4  # of a float32

Floats = NDArray[np.float32]


def see_whole(folder: Path, commits: Sequence[Commit], dimension: int) -> None:
    """See that the data files hold what the log says.

    Raises:
        OcellusError: one is shorter.
    """
    last = commits[-1] if commits else EMPTY
    wanted = {NUMBERS: last.rows * dimension * BYTES, LINES: last.text}
    for name, size in wanted.items():
        path = folder / name
        there = path.stat().st_size if path.is_file() else 0
        if there < size:
            message = f"{path} has {there} bytes and {size} were stored: something has cut it off"
            cure = f"copy it back, or keep what is whole: ocellus explain neighbours repair {folder}"
            raise OcellusError(f"{message}; {cure}")


def mapped(path: Path, rows: int, dimension: int) -> Floats:
    """(rows, dimension) float32 of the disk, read as it is looked at."""
    if not rows:
        return np.empty((0, dimension), np.float32)
    return np.memmap(path, "<f4", "r", shape=(rows, dimension))


def write_at(path: Path, place: int, content: bytes | memoryview) -> None:
    """Bytes at a place of a file, which ends with them; on the disk when this returns."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        os.ftruncate(number, place)  # what a killed writer left
        os.lseek(number, place, os.SEEK_SET)
        rest = memoryview(content)
        while len(rest):
            rest = rest[os.write(number, rest) :]
        os.fsync(number)
    finally:
        os.close(number)


def flush_folder(folder: Path) -> None:
    """The names of new files, too, are on the disk when this returns (POSIX)."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def replace_whole(path: Path, content: bytes) -> None:
    """A file's new content, whole or not at all."""
    temporary = path.with_name(path.name + ".writing")
    write_at(temporary, 0, content)
    temporary.replace(path)
    flush_folder(path.parent)


def sound_commits(folder: Path, dimension: int) -> Iterator[Commit]:
    """The records whose batches are what was written, up to the first that is not."""
    content = (folder / LOG).read_bytes()
    most = (folder / NUMBERS).stat().st_size, (folder / LINES).stat().st_size
    last = EMPTY
    with (folder / NUMBERS).open("rb") as numbers, (folder / LINES).open("rb") as lines:
        for start in range(0, len(content) - RECORD.size + 1, RECORD.size):
            own = Commit(*RECORD.unpack_from(content, start))
            rising = own.rows > last.rows and own.text > last.text
            if not rising or own.rows * dimension * BYTES > most[0] or own.text > most[1]:
                return
            own_numbers = numbers.read((own.rows - last.rows) * dimension * BYTES)
            own_lines = lines.read(own.text - last.text)
            if next_commit(last, own.rows - last.rows, own_numbers, own_lines) != own:
                return
            yield own
            last = own
