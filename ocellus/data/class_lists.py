"""Files that list classes: names by line, names with numbers, names with colours.

Each line is `name`, `number name`, `name red green blue`, `red green blue name` or
`number name red green blue`, with spaces, commas, colons, semicolons or tabs between. Lines that begin with #
are comments, and a heading such as `name,r,g,b` is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ocellus.errors import OcellusError

COLOR_FILES = (
    *("class_dict.csv", "classes.csv", "colors.csv", "label_colors.csv", "label_colors.txt", "colors.txt"),
    *("labelmap.txt", "colormap.txt", "palette.txt", "class_colors.txt"),
)
NAME_FILES = ("classes.txt", "labels.txt", "class_names.txt", "names.txt")
IGNORED_NAMES = ("ignore", "ignored", "void", "unlabeled", "unlabelled", "border", "무시")
"""Classes of these names, in whatever case, are ignored: their pixels get 255."""

Color = tuple[int, int, int]

_GAP = r"\s*[\s,;:]\s*"
_BYTE = r"(\d{1,3})"
_AFTER = re.compile(rf"(?:(\d+){_GAP})?(.*?\S){_GAP}{_BYTE}{_GAP}{_BYTE}{_GAP}{_BYTE}[\s,;:]*")
_BEFORE = re.compile(rf"{_BYTE}{_GAP}{_BYTE}{_GAP}{_BYTE}{_GAP}(.*\S)")
_NUMBERED = re.compile(rf"(\d+){_GAP}(.*\S)")
_HEADING = re.compile(r"(id|number|index|name|class|label|color_rgb|[rgb]|red|green|blue|parts|actions)s?")


class Listed(NamedTuple):
    """One line of a list of classes."""

    name: str
    number: int | None = None
    color: Color | None = None


def read_list(file: Path) -> tuple[Listed, ...]:
    """The classes of a file.

    Raises:
        OcellusError: it cannot be read, is empty, or its lines are of different forms.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OcellusError(f"cannot read {file} ({error}); it must be UTF-8 text, a class a line") from error
    numbered = [(place, line.strip()) for place, line in enumerate(text.splitlines(), 1)]
    lines = [(place, line) for place, line in numbered if line and not line.startswith("#")]
    if len(lines) > 1 and _is_heading(lines[0][1]):
        lines = lines[1:]
    if not lines:
        raise OcellusError(f"{file} names no class; write one a line, or remove the file")
    found = [parse(line) for _, line in lines]
    forms = [(one.number is None, one.color is None) for one in found]
    if any(without_color for _, without_color in forms):  # a name may end in numbers: "lane 1 2 3"
        if not all(without_color for _, without_color in forms):
            place, line = lines[next(i for i, form in enumerate(forms) if form[1])]
            raise OcellusError(f"{file}, line {place}: {line!r} has no colour; write 'name red green blue'")
        if not all(one.number is not None for one in found):  # names may begin with numbers: "2 wheeler"
            found = [Listed(line) for _, line in lines]
    for (place, line), one in zip(lines, found, strict=True):
        if one.color is not None and max(one.color) > 255:
            raise OcellusError(f"{file}, line {place}: {line!r} has a colour above 255; write 0 to 255")
    return tuple(found)


def _is_heading(line: str) -> bool:
    words = [word for word in re.split(r"[\s,;:]+", line.lower()) if word]
    return len(words) > 1 and all(_HEADING.fullmatch(word) for word in words)


def parse(line: str) -> Listed:
    """The class of one line."""
    if match := _AFTER.fullmatch(line):
        number = int(match[1]) if match[1] else None
        return Listed(match[2], number, (int(match[3]), int(match[4]), int(match[5])))
    if match := _BEFORE.fullmatch(line):
        return Listed(match[4], None, (int(match[1]), int(match[2]), int(match[3])))
    if match := _NUMBERED.fullmatch(line):
        return Listed(match[2], int(match[1]))
    return Listed(line)


class Lists(NamedTuple):
    """The lists that a data set has.

    Args:
        names: of the classes, () where no list is of names alone.
        names_file: that list, or None.
        colors: names with colours, () where no list has colours.
        colors_file: that list, or None.
    """

    names: tuple[Listed, ...] = ()
    names_file: Path | None = None
    colors: tuple[Listed, ...] = ()
    colors_file: Path | None = None


def find_lists(roots: Sequence[Path]) -> Lists:
    """The first list of names and the first of colours in folders.

    Raises:
        OcellusError: one of them cannot be read.
    """
    found = Lists()
    for root in roots:
        for name in (*COLOR_FILES, *NAME_FILES):
            file = root / name
            if not file.is_file():
                continue
            listed = read_list(file)
            if listed[0].color is not None:
                found = found if found.colors else found._replace(colors=listed, colors_file=file)
            elif name in NAME_FILES and not found.names:
                found = found._replace(names=listed, names_file=file)
    return found


def ignored(name: str) -> bool:
    """Whether a class of this name is none."""
    return name.lower() in IGNORED_NAMES
