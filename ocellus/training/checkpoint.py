"""last.ckpt: all that a run needs to go on. Private to it; the product is best.safetensors.

Tensors and plain values only, read with weights_only. The one before is kept as previous.ckpt.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ocellus.errors import OcellusError

LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
FORMAT = 1

# What torch.load raises for a file that is cut short, overwritten or not a checkpoint at all.
DAMAGE = (RuntimeError, ValueError, KeyError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile)


def write(folder: Path, content: dict[str, Any]) -> None:
    """Put a new last.ckpt in place, whole or not at all; the one there becomes previous.ckpt.

    Raises:
        OcellusError: it cannot be written; what was there is unchanged.
    """
    last = folder / LAST
    temporary = folder / f"{LAST}.writing"
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        if last.exists():
            last.replace(folder / PREVIOUS)
        temporary.replace(last)
        sync_folder(folder)
    except (OSError, RuntimeError) as error:  # torch.save turns an OSError of the file into a RuntimeError
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = write_failure(error) or str(error)
        raise OcellusError(
            f"{last} cannot be written ({reason}); the checkpoint before it is unchanged. Free some "
            "space, or make the folder writable, and resume"
        ) from error


def read(folder: Path, *, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest checkpoint of a run folder that is whole, or None where there is none at all.

    Args:
        folder: of the run.
        say: is told where last.ckpt is damaged and the one before is used.

    Raises:
        OcellusError: there are checkpoints, but none that can be read.
    """
    failures = []
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                if part := archive.testzip():  # torch.load itself does not look at checksums
                    raise ValueError(f"{part} is not as it was written")
            content = torch.load(path, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
                raise ValueError(f"it has format {content['format']}, this version reads {FORMAT}")
        except DAMAGE as error:
            lines = str(error).splitlines() or [type(error).__name__]
            failures.append(f"{name}: {lines[0]}")
            continue
        if failures:
            say(f"{failures[0]}; going on from {name}, step {content['step']}")
        return dict(content)
    if failures:
        raise OcellusError(
            f"no checkpoint in {folder} can be read ({'; '.join(failures)}); start a new run, or fine-tune "
            "best.safetensors with --start"
        )
    return None


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):  # Windows does not open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_failure(error: BaseException) -> str:
    """The operating system's reason in an error or in what caused it: "No space left on device"; or ""."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return ""


def make_folder(folder: Path) -> None:
    """Make a run's folder and see that files can be written there, before anything is computed.

    Raises:
        OcellusError: they cannot.
    """
    probe = folder / ".probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"ocellus")
        probe.unlink()
    except OSError as error:
        raise OcellusError(
            f"nothing can be written to {folder} ({error.strerror}); give another folder for the run"
        ) from error
