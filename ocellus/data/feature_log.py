"""What is stored for certain: a log with one record for each batch, written after the batch is on the disk.

A record says how many rows and how many bytes of text there are with its batch, and carries checksums of the
batch and of itself. What the last whole record says is stored; whatever lies behind it in any file is what a
killed writer left, and counts for nothing.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from ocellus.errors import OcellusError

RECORD = struct.Struct("<QQIII")
"""Rows, bytes of text, checksums of the batch's numbers and of its text, checksum of the record."""


class Commit(NamedTuple):
    """What is stored with one batch and all before it."""

    rows: int
    text: int  # bytes
    numbers_sum: int  # CRC-32 of the batch's features
    text_sum: int  # CRC-32 of the batch's lines
    own_sum: int  # CRC-32 of the fields above, begun with that of the record before


EMPTY = Commit(0, 0, 0, 0, 0)


def next_commit(last: Commit, rows: int, numbers: bytes | memoryview, text: bytes) -> Commit:
    """The record of a batch.

    Args:
        last: the record before it.
        rows: in the batch.
        numbers: the batch's features as they are written.
        text: the batch's lines as they are written.
    """
    commit = Commit(last.rows + rows, last.text + len(text), zlib.crc32(numbers), zlib.crc32(text), 0)
    return commit._replace(own_sum=_own_sum(commit, last))


def packed_commit(commit: Commit) -> bytes:
    """The record as it is written."""
    return RECORD.pack(*commit)


def read_log(path: Path) -> list[Commit]:
    """The whole records of a log, the first first; what a killed writer left of one more is passed over.

    Raises:
        OcellusError: there is no log, or a record in its middle is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OcellusError(f"{path} cannot be read ({error.strerror}); the database is not whole") from error
    commits: list[Commit] = []
    last = EMPTY
    whole = len(content) // RECORD.size
    for number in range(whole):
        commit = Commit(*RECORD.unpack_from(content, number * RECORD.size))
        sound = commit.own_sum == _own_sum(commit, last)
        if not (sound and commit.rows > last.rows and commit.text > last.text):
            if number + 1 < whole:  # a killed writer damages the last record at most
                message = f"{path} is damaged: record {number + 1} of {whole} is not what was written"
                cure = f"ocellus explain neighbours repair {path.parent}"
                raise OcellusError(f"{message}; keep the {last.rows} rows before it: {cure}")
            break
        commits.append(commit)
        last = commit
    return commits


def _own_sum(commit: Commit, last: Commit) -> int:
    return zlib.crc32(RECORD.pack(*commit[:4], 0), last.own_sum)
