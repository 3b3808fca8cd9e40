"""A database of features on the disk: rows of numbers, the pictures they are of, their labels.

A database is a folder of four files:

- `database.json`: what the numbers mean (`Space`): the network, the layer, how a picture reached
  it. Written once, when the database is made.
- `features.f32`: the rows end to end, float32, little-endian; mapped into memory, not read.
- `pictures.jsonl`: a line for each row, {"path": ..., "label": ...}.
- `stored.log`: what is stored for certain, see `ocellus.data.feature_log`.

A batch is written to the two data files, they are flushed to the disk, and only then its record is added to
the log and flushed too. `append` returns after that: what it has reported as stored stays stored, whenever
the writer is killed. What a killed writer left behind the last record is not read, and the next writer
overwrites it. One process writes at a time, any number read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ocellus.data.feature_files import (
    BYTES,
    LINES,
    LOG,
    NUMBERS,
    Floats,
    flush_folder,
    mapped,
    replace_whole,
    see_whole,
    sound_commits,
    write_at,
)
from ocellus.data.feature_log import EMPTY, next_commit, packed_commit, read_log
from ocellus.data.feature_space import HEADER, Space, read_space, space_text
from ocellus.data.locks import locked
from ocellus.errors import OcellusError

__all__ = [
    "FeatureDatabase", "Rows", "Space", "create_database", "is_database", "repair_database", "stored_path",
]  # fmt: skip


class Rows(NamedTuple):
    """Features and what they are of."""

    features: Floats  # (N, D)
    paths: list[str]
    labels: list[str]  # "" where not known


class FeatureDatabase:
    """An open database: `features`, `paths` and `labels` of what is stored, and `append`.

    Args:
        folder: of a database that is there; see `create_database`.

    Raises:
        OcellusError: it is no database, of another version, or damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.space = read_space(self.folder)
        self.refresh()

    def refresh(self) -> None:
        """Take in what other processes have stored since.

        Raises:
            OcellusError: a file is damaged.
        """
        commits = read_log(self.folder / LOG)
        self._last = commits[-1] if commits else EMPTY
        see_whole(self.folder, commits, self.space.dimension)
        self.features = mapped(self.folder / NUMBERS, self._last.rows, self.space.dimension)
        self._rows: list[tuple[str, str]] | None = None

    def __len__(self) -> int:
        return self._last.rows

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self._pictures()]

    @property
    def labels(self) -> list[str]:
        return [label for _, label in self._pictures()]

    def rows(self) -> Rows:
        return Rows(self.features, self.paths, self.labels)

    def append(self, features: Floats, paths: Sequence[str], labels: Sequence[str] = ()) -> int:
        """Store rows. When this returns they are stored, whatever happens to the process afterwards.

        Args:
            features: (n, D) finite numbers.
            paths: of the n pictures.
            labels: of the n pictures; empty: none is known.

        Returns:
            How many rows are stored now, those of other processes included.

        Raises:
            OcellusError: other numbers than fit, another process is writing, or the disk refuses. Nothing is
                stored then.
        """
        labels = list(labels) or [""] * len(paths)
        self._check(features, paths, labels)
        if not len(features):
            return len(self)
        numbers = np.ascontiguousarray(features, "<f4")
        text = "".join(_line(path, label) for path, label in zip(paths, labels, strict=True)).encode()
        with locked(self.folder / LOG):
            commits = read_log(self.folder / LOG)
            last = commits[-1] if commits else EMPTY
            see_whole(self.folder, commits, self.space.dimension)
            content = numbers.data.cast("B")
            record = packed_commit(next_commit(last, len(numbers), content, text))
            end = len(commits) * len(record)
            try:
                write_at(self.folder / NUMBERS, last.rows * self.space.dimension * BYTES, content)
                write_at(self.folder / LINES, last.text, text)
                write_at(self.folder / LOG, end, record)
            except OSError as error:
                with suppress(OSError):
                    write_at(self.folder / LOG, end, b"")  # where only the flushing of the record failed
                message = f"{self.folder} cannot be written ({error.strerror})"
                cure = f"the {last.rows} rows before are as they were; free some space and store again"
                raise OcellusError(f"{message}: {cure}") from error
        self.refresh()
        return len(self)

    def check(self) -> None:
        """Compare every batch with its checksums.

        Raises:
            OcellusError: one is not what was written.
        """
        sound = sum(1 for _ in sound_commits(self.folder, self.space.dimension))
        commits = read_log(self.folder / LOG)
        if sound < len(commits):
            kept = commits[sound - 1].rows if sound else 0
            message = f"{self.folder} is damaged: of its {commits[-1].rows} rows only the first {kept} are"
            cure = f"ocellus explain neighbours repair {self.folder}"
            raise OcellusError(f"{message} what was written; keep them: {cure}")

    def _pictures(self) -> list[tuple[str, str]]:
        if self._rows is None:
            with (self.folder / LINES).open("rb") as file:
                text = file.read(self._last.text)
            found = [json.loads(line) for line in text.splitlines()]
            self._rows = [(str(entry["path"]), str(entry["label"])) for entry in found]
        return self._rows

    def _check(self, features: Floats, paths: Sequence[str], labels: Sequence[str]) -> None:
        if features.ndim != 2 or features.shape[1] != self.space.dimension:
            wanted = f"(n, {self.space.dimension})"
            raise OcellusError(f"{self.folder} takes features {wanted}, not {features.shape}", exit_code=2)
        if not len(features) == len(paths) == len(labels):
            given = f"{len(features)} rows, {len(paths)} paths and {len(labels)} labels"
            raise OcellusError(f"{given} were given to be stored: give one of each", exit_code=2)
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            path = paths[int(finite.argmin())]
            raise OcellusError(f"the features of {path} are not finite (nan or inf): they cannot be compared")

    def __repr__(self) -> str:
        return f"FeatureDatabase({len(self)} x {self.space.dimension}, {str(self.folder)!r})"


def create_database(folder: Path | str, space: Space) -> FeatureDatabase:
    """A new, empty database.

    Args:
        folder: new or empty.
        space: what its rows will mean.

    Raises:
        OcellusError: the folder holds something already (exit code 2), or cannot be written.
    """
    folder = Path(folder)
    _see_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / LOG):
            _see_free(folder)  # again: another process may have made one, and stored rows
            for name in (NUMBERS, LINES, LOG):
                write_at(folder / name, 0, b"")
            replace_whole(folder / HEADER, space_text(space).encode())  # the last: with it it is a database
            flush_folder(folder.parent)
    except OSError as error:
        raise OcellusError(f"{folder} cannot be written ({error.strerror}); name another place") from error
    return FeatureDatabase(folder)


def _see_free(folder: Path) -> None:
    """See that a folder holds nothing but what a writer leaves that was killed while it made a database.

    Raises:
        OcellusError: it does. Exit code 2.
    """
    begun = {NUMBERS, LINES, LOG, f"{LOG}.lock", f"{HEADER}.writing"}
    if folder.exists() and not (folder.is_dir() and {entry.name for entry in folder.iterdir()} <= begun):
        raise OcellusError(f"{folder} is there already: give a new or empty folder", exit_code=2)


def is_database(path: Path | str) -> bool:
    """Whether a folder is a database, whole or not."""
    return (Path(path) / HEADER).is_file()


def stored_path(path: str) -> str:
    """How a picture's path is stored: from the root, so that it is the same from every folder."""
    return str(Path(path).expanduser().absolute())


def repair_database(folder: Path | str) -> FeatureDatabase:
    """Keep of a damaged database the batches that are what was written, up to the first that is not.

    Raises:
        OcellusError: it is no database, another process is writing, or the disk refuses.
    """
    folder = Path(folder)
    space = read_space(folder)
    with locked(folder / LOG):
        try:
            kept = b"".join(packed_commit(commit) for commit in sound_commits(folder, space.dimension))
            replace_whole(folder / LOG, kept)
        except OSError as error:
            raise OcellusError(f"{folder} cannot be written ({error.strerror})") from error
    return FeatureDatabase(folder)


def _line(path: str, label: str) -> str:
    return json.dumps({"path": path, "label": label}) + "\n"
