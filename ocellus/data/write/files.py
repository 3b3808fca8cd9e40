"""What the writers share with the file system: names, pictures, splits, and losses that are said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TextIO

from ocellus.data.dataset import Finding
from ocellus.data.images import write_picture
from ocellus.data.splits import split_of
from ocellus.errors import OcellusError
from ocellus.values import Instances, Segmentation

LOSSES = {
    "overlap-not-held": "objects overlap where a mask file holds one number a pixel; the front one kept it",
    "mask-not-held": "masks cannot be held beside keypoints; boxes and keypoints were written",
    "object-not-held": "objects without a pixel of their own cannot be held and were left out",
    "box-not-held": "boxes are not the extent of their masks; the extent is what will be read",
    "keypoints-not-held": "the format has no keypoints",
    "crowd-not-held": "the format cannot mark crowds; they are written as single objects",
    "confidence-not-held": "the format has one class a pixel and not how sure it is",
    "score-not-held": "the format has no scores",
    "area-not-held": "annotated areas differ from the pixels of the masks, and the format has none",
}


@dataclass
class Losses:
    """What a format could not hold, counted by kind."""

    found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, kind: str, name: str, count: int = 1) -> None:
        """Counts objects of one picture."""
        if count:
            before, first = self.found.get(kind, (0, name))
            self.found[kind] = (before + count, first)

    def findings(self, folder: Path) -> tuple[Finding, ...]:
        """A warning for each kind, with the number of objects and the first picture."""
        return tuple(
            Finding(
                severity="warn",
                kind=kind,
                file=str(folder),
                where=f"first in {first}",
                value=f"{count} {'pictures' if kind == 'confidence-not-held' else 'objects'}",
                message=LOSSES[kind],
            )
            for kind, (count, first) in self.found.items()
        )


@dataclass
class Names:
    """The names met so far: each checked, none twice, and either all in splits or none."""

    stems: dict[str, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str) -> str:
        """The split of a name; "" where names have none.

        Raises:
            OcellusError: the name leaves the folder or occurs twice, or only some names have a split.
        """
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise OcellusError(f"cannot write a picture named {name!r}; names stay inside the folder")
        stem = path.with_suffix("").as_posix()
        if stem in self.stems:
            other = self.stems[stem]
            raise OcellusError(f"{name} and {other} would share one annotation file; rename one of them")
        self.stems[stem] = name
        split = (split_of(path.parts[0]) if len(path.parts) > 1 else None) or ""
        self.splits.setdefault(split, []).append(name)
        if len(self.splits) > 1 and "" in self.splits:
            plain, parted = (next(n for s, n in self.first() if bool(s) is kind) for kind in (False, True))
            message = f"some names have a split ({parted}) and some have none ({plain})"
            raise OcellusError(f"{message}; put all of them in train/, val/ or test/, or none")
        return split

    def first(self) -> list[tuple[str, str]]:
        """(split, first name) of each split."""
        return [(split, names[0]) for split, names in self.splits.items()]


def place_picture(value: Instances | Segmentation, path: Path) -> None:
    """Stores the picture that came with a value: a copy of its file where there is one."""
    picture = value.picture
    if picture is None or path.exists():
        return
    if picture.path and Path(picture.path).is_file() and Path(picture.path).suffix == path.suffix:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture.path, path)
        except OSError as error:
            raise _unwritable(path, error) from error
    else:
        write_picture(picture, path)


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name when it is whole.

    Raises:
        OcellusError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def write_text(path: Path, text: str) -> None:
    """A whole text file."""
    with writing(path) as stream:
        stream.write(text)


def _unwritable(path: Path, error: OSError) -> OcellusError:
    reason = error.strerror or error
    return OcellusError(f"cannot write {path}: {reason}; check the folder's rights and the free space")
