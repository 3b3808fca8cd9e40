"""Horizontal measures drawn into a picture: a line with ends, and its length in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from ocellus.draw.chips import Color, chip_image, chip_size
from ocellus.draw.instances import font_size, from_image, line_width, to_image
from ocellus.draw.shapes import DARK, paint_line
from ocellus.draw.text import shortened
from ocellus.values import Picture

TITLE: Color = (14, 16, 20)


class Span(NamedTuple):
    """A horizontal extent, in pixels of the picture."""

    left: int
    right: int  # exclusive
    row: int
    text: str
    color: Color


class Label(NamedTuple):
    """Words at a place, in pixels of the picture."""

    x: float
    y: float
    text: str
    color: Color


def draw_spans(
    picture: Picture, spans: Sequence[Span], *, labels: Sequence[Label] = (), title: str = ""
) -> Picture:
    """A copy of the picture with lines, a chip of text above each, and a title at its upper edge.

    Args:
        picture: to draw into.
        spans: lines with upright ends.
        labels: chips around their places.
        title: what stands above.
    """
    canvas = to_image(picture)
    thick = line_width(canvas.size)
    size = font_size(canvas.size)
    taken = []
    if title:
        text = shortened(title, size, canvas.width - 2 * size)
        image = chip_image(text, size, TITLE)
        canvas.paste(image, ((canvas.width - image.width) // 2, size // 2), image)
        taken.append((0, size // 2 + image.height))
    for label in labels:
        image = chip_image(label.text, size, label.color)
        canvas.paste(image, (round(label.x - image.width / 2), round(label.y - image.height / 2)), image)
    for span in spans:
        middle = span.row + 0.5
        for radius, color in ((thick + 1.0, DARK), (thick / 1.6, span.color)):
            line = ((span.left + 0.5, middle), (span.right - 0.5, middle))
            paint_line(canvas, *line, color=color, radius=radius)
            for x in (span.left + 0.5, span.right - 0.5):
                ends = (x, middle - 4 * thick), (x, middle + 4 * thick)
                paint_line(canvas, *ends, color=color, radius=radius)
    for span in spans:
        taken.append(_paint_text(canvas, span, size=size, away=6 * thick, taken=taken))
    return from_image(canvas, path=picture.path)


def _paint_text(
    canvas: Image.Image, span: Span, *, size: int, away: int, taken: list[tuple[int, int]]
) -> tuple[int, int]:
    """A span's text above its line, or below it where rows are taken; the rows it takes now."""
    tall, wide = chip_size(span.text, size)
    left = min(max((span.left + span.right - wide) // 2, 0), max(canvas.width - wide, 0))
    places = [span.row - away - tall, span.row + away, span.row - away - 2 * tall, span.row + away + tall]
    free = [
        top
        for top in places
        if 0 <= top <= canvas.height - tall
        and not any(top < end and start < top + tall for start, end in taken)
    ]
    top = free[0] if free else min(max(places[0], 0), max(canvas.height - tall, 0))
    image = chip_image(span.text, size, span.color)
    canvas.paste(image, (left, top), image)
    return top, top + tall
