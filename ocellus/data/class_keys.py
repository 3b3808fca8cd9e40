"""What the values of label maps mean: found from the lists beside them and from some of the maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ocellus.data.class_lists import Color, Listed, Lists, ignored
from ocellus.data.label_maps import MOST_CLASSES, OBJECTS, Colors, Numbers, counted
from ocellus.data.masks_png import opened, read_colors, read_ids
from ocellus.errors import OcellusError
from ocellus.values.segmentation import IGNORED

LOOKED_AT = 24  # label maps, evenly spread; where they say too little more of them
MOST = 400
BINARY = ("background", "foreground")


@dataclass(frozen=True)
class Classes:
    """The classes of a data set of label maps.

    Args:
        names: of the classes, without those that are ignored.
        key: what the values of the pixels mean.
        colors: of each class, or ().
        numbers: the value of each class where they are numbers, or ().
    """

    names: tuple[str, ...]
    key: Numbers | Colors
    colors: tuple[Color, ...] = ()
    numbers: tuple[int, ...] = ()


class Look(NamedTuple):
    """What some label maps have in them.

    Args:
        colored: the first whose pixels are colours, or None.
        palette: of the first that has one with colours.
        numbers: the numbers in those that have numbers.
        colors: the packed colours in all that have colours or a palette.
    """

    colored: Path | None
    palette: tuple[Color, ...]
    numbers: frozenset[int]
    colors: frozenset[int]


def classes_of(root: Path, files: Sequence[Path], lists: Lists) -> Classes:
    """The classes of label maps.

    Args:
        root: of the data set, for messages.
        files: the label maps.
        lists: what is written beside them.

    Raises:
        OcellusError: colours without a table, numbers without names, names twice, or too many classes.
    """
    look = look_at(files)
    if look.colored is not None and not lists.colors:
        raise _no_table(root, look)
    table = {_packed(one.color) for one in lists.colors if one.color is not None}
    by_color = look.colored is not None or (look.colors and look.colors <= table and not lists.names)
    if lists.colors and by_color:
        return _by_color(lists.colors, lists.colors_file)
    if lists.names or lists.colors:
        listed, file = (lists.names, lists.names_file) if lists.names else (lists.colors, lists.colors_file)
        found = _by_number(listed, file, look)
        if all(mask.stem.endswith(OBJECTS) for mask in files) and isinstance(found.key, Numbers):
            found = replace(found, key=replace(found.key, objects=True))
        known = {one.name: one.color for one in lists.colors if one.color is not None}
    else:
        found = _unnamed(root, look)
        known = {}
    if set(found.names) <= set(known):
        return Classes(found.names, found.key, tuple(known[name] for name in found.names), found.numbers)
    if max(found.numbers) < len(look.palette):
        return Classes(found.names, found.key, tuple(look.palette[n] for n in found.numbers), found.numbers)
    return found


def look_at(files: Sequence[Path]) -> Look:
    """Numbers and colours of some label maps; of more until one has another number than 0 and 255, and of all
    until one has another than 0."""
    steps = (LOOKED_AT, MOST, len(files))
    order = dict.fromkeys(place for most in steps for place in spread(len(files), most))
    colored: Path | None = None
    palette: tuple[Color, ...] = ()
    numbers: set[int] = set()
    colors: set[int] = set()
    for count, place in enumerate(order):
        if count >= LOOKED_AT and (colored or numbers - {0, IGNORED}):
            break
        if count >= MOST and numbers - {0}:
            break
        try:
            with opened(files[place]) as image:
                own = palette_of(image)
                grey = image.mode not in ("RGB", "RGBA") or _is_grey(image)
            if own or not grey:
                colors |= set(np.unique(read_colors(files[place])).tolist())
            if grey:
                numbers |= set(counted(read_ids(files[place]))[0].tolist())
            elif colored is None:
                colored = files[place]
            palette = palette or own
        except OcellusError:
            continue  # the check says so, file by file
    return Look(colored, palette, frozenset(numbers), frozenset(colors))


def spread(count: int, most: int) -> list[int]:
    """At most so many of `count` places, evenly spread."""
    return [place * count // min(count, most) for place in range(min(count, most))]


def palette_of(image: Image.Image) -> tuple[Color, ...]:
    """The palette of a picture that has one with colours in it; else ()."""
    flat = image.getpalette("RGB") if image.mode == "P" else None
    if not flat:
        return ()
    colors = tuple(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))
    grey = all(red == green == blue for red, green, blue in colors)
    return () if grey else colors


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels[:, :, :1] == pixels[:, :, :3]).all())


def _packed(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _by_color(listed: Sequence[Listed], file: Path | None) -> Classes:
    """Several colours may be of one class, but no colour of two."""
    kept = [one for one in listed if not ignored(one.name)]
    names = tuple(dict.fromkeys(one.name for one in kept))
    table: dict[int, int] = {}
    colors: dict[str, Color] = {}
    for one in listed:
        if one.color is None:
            continue
        label = IGNORED if ignored(one.name) else names.index(one.name)
        if table.setdefault(_packed(one.color), label) != label:
            raise OcellusError(f"{file} gives the colour {one.color} to two classes; each needs its own")
        colors.setdefault(one.name, one.color)
    _require_few(names, file)
    return Classes(names, Colors(tuple(table.items())), tuple(colors[name] for name in names))


def _by_number(listed: Sequence[Listed], file: Path | None, look: Look) -> Classes:
    """Names by line from 0 on, or by their own numbers."""
    numbered = listed[0].number is not None
    pairs = [(one.number if one.number is not None else place, one.name) for place, one in enumerate(listed)]
    if numbered and all(number != 0 for number, _ in pairs):
        pairs = [(0, BINARY[0]), *pairs]
    if not numbered and len(pairs) == 1:
        pairs = [(0, BINARY[0]), (1, pairs[0][1])]
    if len({number for number, _ in pairs}) < len(pairs):
        raise OcellusError(f"{file} gives a number to two classes; each needs its own")
    if len({name for _, name in pairs}) < len(pairs):
        raise OcellusError(f"{file} names a class twice; each class needs its own name")
    if not all(0 <= number < 65536 for number, _ in pairs):
        raise OcellusError(f"{file} has a class number above 65535, which no mask holds")
    kept = [(number, name) for number, name in pairs if not ignored(name)]
    names = tuple(name for _, name in kept)
    _require_few(names, file)
    labels = {name: label for label, name in enumerate(names)}
    table = {number: labels.get(name, IGNORED) for number, name in pairs}
    if len(names) == 2 and look.numbers == {0, IGNORED} and set(table) == {0, 1}:
        table = {0: table[0], IGNORED: table[1]}  # black and white
        kept = [(IGNORED if number == 1 else number, name) for number, name in kept]
    alone = len(listed) == 1 and not look.numbers <= {0, 1, IGNORED}
    key = Numbers(tuple(table.items()), others=1) if alone else Numbers(tuple(table.items()))
    return Classes(names, key, numbers=tuple(number for number, _ in kept))


def _unnamed(root: Path, look: Look) -> Classes:
    """Background and foreground, where the numbers are 0 and 1 or 0 and 255."""
    if 1 in look.numbers and look.numbers <= {0, 1, IGNORED}:
        return Classes(BINARY, Numbers(((0, 0), (1, 1))), numbers=(0, 1))
    if look.numbers == {0, IGNORED}:
        return Classes(BINARY, Numbers(((0, 0), (IGNORED, 1))), numbers=(0, IGNORED))
    if not look.numbers:
        raise OcellusError(f"no mask in {root} can be read; `ocellus check` needs PNGs of numbers or colours")
    if look.numbers <= {0}:
        raise OcellusError(
            f"all masks in {root} are 0 everywhere: one class only, there is nothing to tell apart; "
            "check that the masks are those that were drawn"
        )
    held = sorted(look.numbers)
    shown = ", ".join(map(str, held[:12])) + (f", ... {held[-1]}" if len(held) > 12 else "")
    raise OcellusError(
        f"the masks in {root} hold {shown} and nothing names them: write {root / 'classes.txt'} with a line "
        "'number name' for each class; or one line with one name, if every number is one object of that class"
    )


def _no_table(root: Path, look: Look) -> OcellusError:
    shown = ", ".join(f"({c >> 16}, {c >> 8 & 255}, {c & 255})" for c in sorted(look.colors)[:6])
    more = f" and {len(look.colors) - 6} more" if len(look.colors) > 6 else ""
    return OcellusError(
        f"the masks in {root} are colours ({look.colored} and others hold {shown}{more}) and no table says "
        f"which class each is: write {root / 'label_colors.txt'} with a line 'name red green blue' for each"
    )


def _require_few(names: Sequence[str], file: Path | None) -> None:
    if not names:
        raise OcellusError(f"{file} names no class but those that are ignored; write one a line")
    if len(names) > MOST_CLASSES:
        raise OcellusError(f"{file} names {len(names)} classes; label maps tell at most {MOST_CLASSES} apart")
