"""A disk that is full or cannot be written: one line, and the checkpoint before is whole."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import same, train, weights

from ocellus.errors import OcellusError
from ocellus.training import checkpoint
from ocellus.training.settings import Fit

SETTINGS = Fit(steps=4, batch_size=4, precision="32", validate_every=2)


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails_then_resumes(folder: Path, patch: pytest.MonkeyPatch, whole: Path, *, step: int) -> str:
    with pytest.raises(OcellusError) as caught:
        train(folder, SETTINGS)
    patch.undo()
    assert caught.value.exit_code == 1
    assert torch.load(folder / "last.ckpt")["step"] == step
    assert not (folder / "last.ckpt.writing").exists()
    train(folder, SETTINGS, resume=True)
    assert same(weights(folder), weights(whole))
    return str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(folder, SETTINGS)
    return folder


def test_full_disk_at_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    """The last bytes of the second checkpoint of the run do not fit."""
    count: list[int] = []
    write = torch.save

    def second(content: Any, file: Any) -> None:
        write(content, file)
        count.append(1)
        if len(count) == 3:
            full()

    monkeypatch.setattr(torch, "save", second)
    message = fails_then_resumes(tmp_path, monkeypatch, whole, step=2)
    assert f"{tmp_path / 'last.ckpt'} cannot be written (No space left on device)" in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_device_that_is_full(tmp_path: Path, whole: Path) -> None:
    """Nothing is pretended here: the bytes go to a device without room."""
    train(tmp_path, SETTINGS)
    (tmp_path / "last.ckpt.writing").symlink_to("/dev/full")
    with pytest.raises(OcellusError, match=r"No space left on device.*unchanged"):
        checkpoint.write(tmp_path, {"weights": torch.zeros(1000, 1000)})
    assert same(weights(tmp_path), weights(whole))


def test_full_disk_at_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    with pytest.raises(OcellusError, match=r"best.safetensors cannot be written \(No space left"):
        train(tmp_path, SETTINGS, save=full)
    train(tmp_path, SETTINGS, resume=True)
    assert same(weights(tmp_path), weights(whole))


def test_full_disk_at_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    monkeypatch.setattr("ocellus.training.log.json.dumps", full)
    message = fails_then_resumes(tmp_path, monkeypatch, whole, step=0)
    assert "metrics.jsonl cannot be written (No space left on device)" in message


def as_nobody(folder: Path) -> str:
    """What `make_folder` says to a user without rights; root has all rights, so it is left first."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            checkpoint.make_folder(folder)
            message = "it could be written"
        except OcellusError as error:
            message = str(error)
        except BaseException as error:
            message = repr(error)
        os.write(writer, message.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        message = pipe.read()
    os.wait()
    return message


@pytest.mark.parametrize("inside", ["", "runs/new"])
def test_folder_without_rights(inside: str) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o555)
        assert as_nobody(folder / inside) == (
            f"nothing can be written to {folder / inside} (Permission denied); "
            "give another folder for the run"
        )
        folder.chmod(0o777)
        assert as_nobody(folder / inside) == "it could be written"
    finally:
        shutil.rmtree(folder)


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OcellusError, match="nothing can be written to"):
        train(tmp_path / "file" / "run", SETTINGS)
    with pytest.raises(OcellusError, match="nothing can be written to"):
        train(tmp_path / "file", SETTINGS)
