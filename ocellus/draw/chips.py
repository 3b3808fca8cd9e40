"""Label chips: where they fit without covering each other, always whole and inside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw

from ocellus.draw.text import line_height, shortened, text_coverage, text_width

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Chip:
    """A label at its place: left and top in pixels, and an RGBA picture of it."""

    left: int
    top: int
    image: Image.Image


def chip_size(text: str, size: int) -> tuple[int, int]:
    """(height, width) in pixels of a chip with a text of a font size."""
    return line_height(size) + 2 * (size // 8), text_width(text, size) + 2 * _padding(size)


@lru_cache(maxsize=1024)
def chip_image(text: str, size: int, color: Color) -> Image.Image:
    """A chip as RGBA: rounded, in the object's color, the text dark or white, whichever reads better."""
    height, width = chip_size(text, size)
    finer = 4
    shape = Image.new("L", (width * finer, height * finer), 0)
    ImageDraw.Draw(shape).rounded_rectangle(
        (0, 0, width * finer - 1, height * finer - 1), radius=height * finer // 4, fill=255
    )
    image = Image.new("RGBA", (width, height), (*color, 0))
    image.putalpha(shape.resize((width, height), Image.Resampling.BOX))
    ink = (16, 18, 22) if luminance(color) > 0.36 else (255, 255, 255)
    coverage = text_coverage(text, size)
    image.paste((*ink, 255), (_padding(size), size // 8), coverage)
    return image


def luminance(color: Color) -> float:
    """Relative luminance 0 to 1 of an sRGB color (WCAG 2.2, "relative luminance")."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def place_chips(
    texts: Sequence[str],
    boxes: Sequence[Sequence[float]],
    colors: Sequence[Color],
    *,
    picture_size: tuple[int, int],
    font_size: int,
) -> list[Chip]:
    """Chips for objects, the first ones first; one that would cover another is left out.

    Args:
        texts: of each object; nothing is drawn for an empty one.
        boxes: x1, y1, x2, y2 in pixels of each object.
        colors: RGB of each object.
        picture_size: (H, W).
        font_size: in pixels.
    """
    height, width = picture_size
    taken: list[tuple[int, int, int, int]] = []
    chips = []
    for text, box, color in zip(texts, boxes, colors, strict=True):
        text = shortened(text, font_size, width - 2 * _padding(font_size))
        tall, wide = chip_size(text, font_size)
        if not text or tall > height or wide > width:
            continue
        for left, top in _places(box, tall, wide):
            left, top = min(max(left, 0), width - wide), min(max(top, 0), height - tall)
            covered = any(
                left < x2 and x1 < left + wide and top < y2 and y1 < top + tall for x1, y1, x2, y2 in taken
            )
            if not covered:
                taken.append((left, top, left + wide, top + tall))
                chips.append(Chip(left, top, chip_image(text, font_size, color)))
                break
    return chips


def _places(box: Sequence[float], tall: int, wide: int) -> tuple[tuple[int, int], ...]:
    """(left, top) from the best place to the worst: on the box, within it, below it; left, then right."""
    x1, y1, x2, y2 = (round(value) for value in box)
    return (
        *((x1, y1 - tall), (x1, y1) if y2 - y1 > 2 * tall else (x1, y2), (x2 - wide, y1 - tall)),
        *((x1, y2), (x2 - wide, y2), (x2, y1)),
    )


def _padding(size: int) -> int:
    return max(2, round(size * 0.35))
