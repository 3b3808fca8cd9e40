"""Pictures and their nearest neighbours: a row for each picture, itself at the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from ocellus.draw.instances import from_image, to_image
from ocellus.draw.sheet import PAPER, draw_sheet
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.errors import OcellusError
from ocellus.values import Neighbours, Picture

ASKED = (47, 111, 222)
GONE = (225, 228, 233)
SIDE = 200  # pixels of a cell
FRAME = 5


def draw_neighbours(
    shown: Sequence[Neighbours], small: Mapping[str, Picture | None], *, side: int = SIDE
) -> Picture:
    """A contact sheet: each picture in a blue frame, its neighbours to the right, the nearest first.

    Below each is its name, or its label and how alike it is.

    Args:
        shown: neighbours that keep their picture.
        small: by path, the stored pictures; None for one that is not there any more.
        side: of a cell, in pixels.

    Raises:
        OcellusError: nothing is to be shown.
    """
    if not shown:
        raise OcellusError("there are no neighbours to be shown", exit_code=2)
    columns = 1 + max(len(found) for found in shown)
    cells: list[Picture] = []
    captions: list[str] = []
    for found in shown:
        name = Path(found.picture.path or "picture").name if found.picture is not None else "picture"
        cells.append(_cell(found.picture, side, frame=True))
        captions.append(name)
        for index, (path, label) in enumerate(zip(found.paths, found.labels, strict=True)):
            cells.append(_cell(small.get(path), side, name=Path(path).name))
            captions.append(f"{found.figure(index)}  {label or Path(path).name}")
        blank = columns - 1 - len(found)
        cells += [Picture(pixels=torch.full((3, side, side), 255, dtype=torch.uint8))] * blank
        captions += [" "] * blank
    return draw_sheet(cells, columns=columns, captions=captions, cell_width=side, gap=8)


def _cell(picture: Picture | None, side: int, *, frame: bool = False, name: str = "") -> Picture:
    """A picture in the middle of a white square; grey with its name where it is not there."""
    square = Image.new("RGB", (side, side), PAPER)
    room = side - 2 * FRAME if frame else side
    if picture is None:
        square.paste(GONE, (0, 0, side, side))
        size = max(11, side // 16)
        for line, text in enumerate((name, "is not there any more")):
            fitting = shortened(text, size, side - 12)
            left = (side - text_width(fitting, size)) // 2
            top = side // 2 + (line - 1) * line_height(size)
            square.paste((90, 96, 106), (left, top), text_coverage(fitting, size))
    else:
        image = to_image(picture, scale=room / max(picture.size))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if frame:
        ImageDraw.Draw(square).rectangle((0, 0, side - 1, side - 1), outline=ASKED, width=FRAME - 1)
    return from_image(square)
