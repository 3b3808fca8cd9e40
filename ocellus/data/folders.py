"""Looking for pictures in folders: each is listed once, and names match however their letters compose."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ocellus.data.images import SUFFIXES

IMAGE_FOLDERS = ("images", "JPEGImages", "leftImg8bit", "imgs", "img", "image")


def pictures_under(folder: Path) -> list[Path]:
    """Every picture in a folder and the folders in it, sorted; hidden ones are left out."""
    found: list[str] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        prefix = place + os.sep
        found += [
            prefix + name
            for name in files
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")  # noqa: PTH122
        ]
    return [Path(name) for name in sorted(found)]


def files_under(folder: Path, suffix: str) -> list[Path]:
    """Every file of one ending in a folder and the folders in it, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob(f"*{suffix}")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def relative_name(path: Path, root: Path) -> str:
    """A picture's name within a data set: its path below the root, less a leading "images/"; with slashes."""
    try:
        parts = path.relative_to(root).parts
    except ValueError:
        return path.name
    return "/".join(parts[1:] if len(parts) > 1 and parts[0] in IMAGE_FOLDERS else parts)


class Finder:
    """Finds the files that annotations name.

    A name is tried as it stands below each folder, then by its last part. Names are compared in composed form
    (NFC), because some systems store the letters of Hangul one by one, and backslashes count as slashes.

    Args:
        folders: where to look, the likeliest first.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self.listings: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """The file of that name, or None."""
        given = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/")))
        for tail in dict.fromkeys((given, PurePosixPath(given.name))):
            for folder in self.folders:
                place = str(folder) if tail.parent == PurePosixPath() else os.path.join(folder, tail.parent)  # noqa: PTH118
                actual = self.listing(place).get(tail.name)
                if actual is not None:
                    return Path(place, actual)
        return None

    def find_stem(self, stem: str, suffixes: Sequence[str] = tuple(sorted(SUFFIXES))) -> Path | None:
        """The file of that name, whichever picture's ending it has, or None."""
        for suffix in suffixes:
            for spelling in (suffix, suffix.upper()):
                if found := self.find(stem + spelling):
                    return found
        return None

    def listing(self, folder: str) -> dict[str, str]:
        """The names in a folder: composed form -> as stored."""
        if folder not in self.listings:
            try:
                names = os.listdir(folder)  # noqa: PTH208
            except OSError:
                names = []
            self.listings[folder] = {unicodedata.normalize("NFC", name): name for name in names}
        return self.listings[folder]
