"""The database of features: what is reported as stored stays, whatever cuts the writer off."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ocellus.data import feature_database, feature_files
from ocellus.data.feature_database import (
    FeatureDatabase,
    Space,
    create_database,
    is_database,
    repair_database,
)
from ocellus.data.feature_files import LINES, LOG, NUMBERS
from ocellus.data.feature_log import RECORD
from ocellus.errors import OcellusError

SPACE = Space(network="Toy", fingerprint="0123456789abcdef", layer="last", dimension=4, shape=(3, 8, 8))
WRITER = """
import sys
import numpy as np
from ocellus.data.feature_database import FeatureDatabase
database = FeatureDatabase(sys.argv[1])
while True:
    start = len(database)
    values = np.arange(start, start + 7, dtype=np.float32)[:, None] + np.arange(4) / 8
    database.append(values, [f"picture {i}" for i in range(start, start + 7)], ["even", "odd"] * 3 + ["even"])
    print(len(database), flush=True)
"""


def batch(start: int, count: int = 3) -> tuple[np.ndarray, list[str], list[str]]:
    """Rows that say which they are."""
    values = np.arange(start, start + count, dtype=np.float32)[:, None] + np.arange(4, dtype=np.float32) / 8
    return values, [f"picture {index}" for index in range(start, start + count)], ["even"] * count


def holds(database: FeatureDatabase, count: int) -> bool:
    """Whether it has rows 0 to count, each as it was given."""
    values, paths, _ = batch(0, count)
    return len(database) == count and np.array_equal(database.features, values) and database.paths == paths


def test_rows_come_back_and_more_are_added(tmp_path: Path) -> None:
    database = create_database(tmp_path / "stored", SPACE)
    assert len(database) == 0 and database.features.shape == (0, 4) and database.paths == []
    reader = FeatureDatabase(tmp_path / "stored")
    assert database.append(*batch(0)) == 3
    values, paths, _ = batch(3, 2)
    assert database.append(values, paths) == 5
    assert database.append(np.empty((0, 4), np.float32), []) == 5
    assert holds(database, 5) and database.labels == ["even"] * 3 + [""] * 2
    assert isinstance(database.features, np.memmap)
    assert len(reader) == 0  # what it was when it was opened
    reader.refresh()
    assert holds(reader, 5) and reader.space == SPACE
    database.check()


def test_names_may_hold_anything(tmp_path: Path) -> None:
    database = create_database(tmp_path / "stored", SPACE)
    names = ["a\nb", "고양이.jpg", 'quote"\\', " ", "\ud800broken"]
    database.append(batch(0, 5)[0], names, names)
    assert FeatureDatabase(tmp_path / "stored").paths == names == database.labels


def test_killed_writers_lose_nothing_they_reported(tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    create_database(folder, SPACE)
    dice = random.Random(0)
    reported = 0
    for _ in range(6):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", WRITER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            first = int(writer.stdout.readline())  # from here on it is storing
            assert first > reported  # what the killed one left was no obstacle
            time.sleep(dice.uniform(0, 0.03))
            writer.send_signal(signal.SIGKILL)
            lines = writer.stdout.read().splitlines(keepends=True)
        reported = max([first, *(int(line) for line in lines if line.endswith("\n"))])
        database = FeatureDatabase(folder)
        assert len(database) in (reported, reported + 7)  # stored, and killed before it could say so
        assert holds(database, len(database))
        database.check()


def cut(whole: Path, folder: Path, sizes: dict[str, int]) -> None:
    """A copy of a database whose files end where a writer was killed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    for name, size in sizes.items():
        os.truncate(folder / name, size)


def states(before: dict[str, int], after: dict[str, int]) -> list[dict[str, int]]:
    """Every length that the files can have when the batch between the two is cut off, byte for byte."""
    order = (NUMBERS, LINES, LOG)
    found = []
    for place, name in enumerate(order):
        fixed = {other: after[other] for other in order[:place]} | {
            other: before[other] for other in order[place + 1 :]
        }
        found += [{**fixed, name: size} for size in range(before[name], after[name] + 1)]
    return found


def test_a_batch_cut_off_at_any_byte_leaves_those_before_it(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    database = create_database(whole, SPACE)
    database.append(*batch(0))
    before = {name: (whole / name).stat().st_size for name in (NUMBERS, LINES, LOG)}
    database.append(*batch(3))
    after = {name: (whole / name).stat().st_size for name in (NUMBERS, LINES, LOG)}
    found = states(before, after)
    assert len(found) > 48 + 28 + 100
    for number, sizes in enumerate(found):
        cut(whole, folder, sizes)
        opened = FeatureDatabase(folder)
        count = 6 if sizes[LOG] == after[LOG] else 3
        assert holds(opened, count), sizes
        if number % 13 == 0 or sizes[LOG] != before[LOG]:
            opened.append(*batch(count, 2))  # and the next writer goes on as if nothing had been
            assert holds(FeatureDatabase(folder), count + 2), sizes
            opened.check()


def test_data_may_reach_the_disk_as_noise_before_the_record(tmp_path: Path) -> None:
    """After a loss of power a file may have its new length and not its content."""
    database = create_database(tmp_path / "stored", SPACE)
    database.append(*batch(0))
    for name in (NUMBERS, LINES):
        with (tmp_path / "stored" / name).open("ab") as file:
            file.write(bytes(range(256)))
    for left in (bytes(RECORD.size), bytes(range(RECORD.size)), b"\xff" * (RECORD.size - 1)):
        with (tmp_path / "stored" / LOG).open("r+b") as file:
            file.truncate(RECORD.size)
            file.seek(RECORD.size)
            file.write(left)
        assert holds(FeatureDatabase(tmp_path / "stored"), 3)
    database.append(*batch(3))
    assert holds(FeatureDatabase(tmp_path / "stored"), 6)


def test_a_disk_that_refuses_stores_nothing_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = create_database(tmp_path / "stored", SPACE)
    database.append(*batch(0))
    lines = (tmp_path / "stored" / LINES).read_bytes()  # those of the next batch are as long
    calls, room = [0], [0]
    true_write = os.write

    def full(number: int, content: bytes) -> int:
        calls[0] += 1
        if calls[0] > room[0]:
            raise OSError(28, "No space left on device")
        return true_write(number, content[:5])  # in pieces, as it may

    pieces = sum(-(-size // 5) for size in (3 * 16, len(lines), RECORD.size))
    for count in (0, 1, 4, 12, 30, pieces - 1):
        calls[0], room[0] = 0, count
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OcellusError, match=r"No space left.* 3 rows before are as they were"):
            database.append(*batch(3))
        monkeypatch.undo()
        assert holds(FeatureDatabase(tmp_path / "stored"), 3)
    calls[0], room[0] = 0, pieces
    monkeypatch.setattr(os, "write", full)
    database.append(*batch(3))
    assert holds(database, 6)


def test_the_record_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it is on the disk before: each file is flushed when it is written."""
    database = create_database(tmp_path / "stored", SPACE)
    seen: list[str] = []
    true_write, true_sync = feature_files.write_at, os.fsync

    def noted(path: Path, place: int, content: bytes) -> None:
        true_write(path, place, content)
        seen.append(path.name)

    monkeypatch.setattr(feature_database, "write_at", noted)
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append("fsync"), true_sync(number)))
    database.append(*batch(0))
    assert seen == ["fsync", NUMBERS, "fsync", LINES, "fsync", LOG]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    database = create_database(tmp_path / "stored", SPACE)
    with (
        feature_database.locked(tmp_path / "stored" / LOG),
        pytest.raises(OcellusError, match="another process"),
    ):
        database.append(*batch(0))
    other = FeatureDatabase(tmp_path / "stored")
    other.append(*batch(0))
    database.append(*batch(3))  # opened when there was nothing: goes on behind the other's rows
    assert holds(database, 6)


def test_damage_is_told_and_what_is_whole_can_be_kept(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "broken"
    database = create_database(whole, SPACE)
    for start in (0, 3, 6):
        database.append(*batch(start))
    shutil.copytree(whole, folder)
    os.truncate(folder / NUMBERS, 5 * 16 + 3)
    with pytest.raises(OcellusError, match=r"83 bytes and 144 were stored.*repair"):
        FeatureDatabase(folder)
    assert holds(repair_database(folder), 3)
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    with (folder / NUMBERS).open("r+b") as file:  # a bit of the second batch
        file.seek(4 * 16 + 1)
        file.write(b"\x55")
    with pytest.raises(OcellusError, match="of its 9 rows only the first 3"):
        FeatureDatabase(folder).check()
    assert holds(repair_database(folder), 3)
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    with (folder / LOG).open("r+b") as file:  # a bit of the first record of three
        file.write(b"\x07")
    with pytest.raises(OcellusError, match="record 1 of 3"):
        FeatureDatabase(folder)
    assert len(repair_database(folder)) == 0
    assert holds(FeatureDatabase(whole), 9)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    database = create_database(tmp_path / "stored", SPACE)
    values, paths, labels = batch(0)
    for given, wanted in (
        ((values[:, :3], paths, labels), r"takes features \(n, 4\), not \(3, 3\)"),
        ((values[0], paths, labels), "takes features"),
        ((values, paths[:2], labels), "3 rows, 2 paths and 3 labels"),
        ((np.where(values == 1, np.nan, values), paths, labels), "features of picture 1 are not finite"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            database.append(*given)
    assert len(database) == 0
    with pytest.raises(OcellusError, match="there already"):
        create_database(tmp_path / "stored", SPACE)
    with pytest.raises(OcellusError, match=r"no database of features: database\.json"):
        FeatureDatabase(tmp_path)
    assert is_database(tmp_path / "stored") and not is_database(tmp_path)
    header = tmp_path / "stored" / "database.json"
    content = json.loads(header.read_text())
    header.write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(OcellusError, match="version 2, this Ocellus reads 1"):
        FeatureDatabase(tmp_path / "stored")
    header.write_text("{")
    with pytest.raises(OcellusError, match="damaged"):
        FeatureDatabase(tmp_path / "stored")


def test_a_creation_cut_off_can_be_begun_again(tmp_path: Path) -> None:
    (tmp_path / NUMBERS).touch()
    (tmp_path / LINES).touch()
    assert len(create_database(tmp_path, SPACE)) == 0


def test_a_creation_does_not_empty_what_another_process_made_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = feature_database.locked

    def late(path: Path) -> AbstractContextManager[None]:  # the other is done just before the lock is taken
        monkeypatch.setattr(feature_database, "locked", real)
        create_database(tmp_path, SPACE).append(*batch(0))
        return real(path)

    monkeypatch.setattr(feature_database, "locked", late)
    with pytest.raises(OcellusError, match="is there already"):
        create_database(tmp_path, SPACE)
    assert holds(FeatureDatabase(tmp_path), 3)


def test_spaces_that_cannot_be_compared_say_why() -> None:
    assert SPACE.difference(SPACE) == ""
    near = replace(SPACE, mean=(0.5,), spread=(0.2,))
    assert near.difference(replace(near, mean=(0.5 + 1e-5,))) == ""
    for other, wanted in (
        (
            replace(near, network="Net", fingerprint="f" * 16),
            "another network (Toy 0123456789abcdef; here is Net f",
        ),
        (replace(near, layer="first"), "features of last, not of first"),
        (replace(near, dimension=5), "rows of 4 numbers, not 5"),
        (replace(near, shape=(3, 9, 8)), "3x8x8 around 0.5; here 3x9x8"),
        (replace(near, mean=(0.4,)), "prepared in another way"),
    ):
        assert wanted in near.difference(other)
