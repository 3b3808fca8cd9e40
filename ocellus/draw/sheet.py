"""Several pictures on one sheet, and a legend of class colors."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from PIL import Image, ImageDraw

from ocellus.draw.instances import from_image, to_image
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.errors import OcellusError
from ocellus.values import Picture
from ocellus.values.html import color as class_color

PAPER = (255, 255, 255)
INK = (32, 36, 42)


def draw_sheet(
    pictures: Sequence[Picture],
    *,
    columns: int = 4,
    captions: Sequence[str] = (),
    cell_width: int = 320,
    gap: int = 12,
) -> Picture:
    """Pictures side by side on white, each as wide as its column, a row as high as its highest picture.

    Args:
        pictures: any number and sizes.
        columns: pictures in a row.
        captions: a line under each picture, shortened to its width; empty: none.
        cell_width: of a column, in pixels.
        gap: white between pictures, in pixels.

    Raises:
        OcellusError: no pictures, no columns, or another number of captions.
    """
    if not pictures or columns < 1 or cell_width < 1:
        raise OcellusError("a sheet needs at least one picture and one column", exit_code=2)
    if captions and len(captions) != len(pictures):
        raise OcellusError(
            f"{len(captions)} captions for {len(pictures)} pictures; give one each", exit_code=2
        )
    columns = min(columns, len(pictures))
    cells = [to_image(picture, scale=cell_width / picture.size[1]) for picture in pictures]
    size = max(11, cell_width // 22)
    below = line_height(size) + size // 3 if captions else 0
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) + below for row in rows]
    sheet = Image.new(
        "RGB", (columns * (cell_width + gap) + gap, sum(heights) + gap * (len(rows) + 1)), PAPER
    )
    top = gap
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, cell in enumerate(row):
            left = gap + column * (cell_width + gap)
            sheet.paste(cell, (left, top))
            if captions:
                caption = shortened(captions[number * columns + column], size, cell_width)
                sheet.paste(INK, (left, top + cell.height + size // 3), text_coverage(caption, size))
        top += height + gap
    return from_image(sheet)


def draw_legend(
    names: Sequence[str], *, labels: Sequence[int] | None = None, width: int = 640, size: int = 15
) -> Picture:
    """Class names beside their colors, in lines that wrap.

    Args:
        names: the class names.
        labels: which of them; None: all.
        width: of the picture, in pixels.
        size: of the letters, in pixels.
    """
    shown = list(range(len(names))) if labels is None else sorted(set(labels))
    line, gap = line_height(size) + size // 2, size
    places, left, top = [], gap, gap // 2
    for label in shown:
        name = names[label] if label < len(names) else str(label)
        text = shortened(name, size, width - 2 * gap - 2 * size)
        wide = 2 * size + text_width(text, size)
        if left + wide > width - gap and left > gap:
            left, top = gap, top + line
        places.append((label, text, left, top))
        left += wide + gap
    image = Image.new("RGB", (width, top + line + gap // 2), PAPER)
    draw = ImageDraw.Draw(image)
    for label, text, x, y in places:
        middle = y + ceil(line_height(size) / 2)
        corners = (x, middle - size // 2, x + size, middle + size // 2)
        draw.rounded_rectangle(corners, radius=size // 4, fill=class_color(label))
        image.paste(INK, (x + round(1.5 * size), y), text_coverage(text, size))
    return from_image(image)
