"""The sheets that a training wrote at its validations, as film strips over the steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ocellus.draw.instances import from_image
from ocellus.values import Picture

FOLDER = "samples"
"""In a run's folder."""

NAMED = re.compile(r"^(\d+)(?:-(.+))?\.png$")

MOST_FRAMES = 8
"""Of a strip: the first, the last and some between."""

LONGEST = 960
"""Pixels of the longer side that a frame is made smaller to."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """A sheet.

    Args:
        step: after which it was made.
        picture: the sheet, as it fits on a page.
    """

    step: int
    picture: Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Strip:
    """The same sheet over the steps.

    Args:
        name: of the sheet; empty where there is one only.
        frames: with rising steps.
    """

    name: str
    frames: tuple[Frame, ...]


def strips(folder: Path) -> tuple[Strip, ...]:
    """The film strips of a run's folder, one for each name; files that are no such sheets are passed over."""
    found: dict[str, dict[int, Path]] = {}
    for path in sorted((folder / FOLDER).glob("*.png")):
        if parted := NAMED.match(path.name):
            found.setdefault(parted[2] or "", {})[int(parted[1])] = path
    made = [(name, chosen(files)) for name, files in found.items()]
    held = [(name, tuple(frame for frame in map(read, files) if frame)) for name, files in made]
    return tuple(Strip(name=name, frames=frames) for name, frames in held if frames)


def chosen(files: dict[int, Path]) -> list[tuple[int, Path]]:
    """The first, the last, and as many evenly between as a strip has room for."""
    ordered = sorted(files.items())
    if len(ordered) <= MOST_FRAMES:
        return ordered
    places = [round(place * (len(ordered) - 1) / (MOST_FRAMES - 1)) for place in range(MOST_FRAMES)]
    return [ordered[place] for place in places]


def read(entry: tuple[int, Path]) -> Frame | None:
    """One frame; None where its file is damaged, as one that was being written when the run was killed."""
    step, path = entry
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, UnidentifiedImageError):
        return None
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return Frame(step=step, picture=from_image(small))
