"""Lines of text as coverage, each character in a font that has it."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from ocellus.draw import fonts

ASCENT = 1.08
"""Height of a line above its baseline, in font sizes; Hangul and CJK reach higher than Latin."""

DESCENT = 0.30
"""Depth of a line below its baseline, in font sizes."""


def line_height(size: int) -> int:
    """Pixels from one line of text to the next."""
    return round(size * ASCENT) + round(size * DESCENT)


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> int:
    """Pixels that a line of text is wide."""
    lengths = (fonts.load(font, size).getlength(piece) for piece, font in fonts.runs(text))
    return max(1, round(float(sum(lengths))))


@lru_cache(maxsize=1024)
def text_coverage(text: str, size: int) -> Image.Image:
    """A line of text as coverage 0..255, an L image `text_width` wide and `line_height` high.

    Args:
        text: one line in any script.
        size: of the font, in pixels.
    """
    image = Image.new("L", (text_width(text, size), line_height(size)), 0)
    draw = ImageDraw.Draw(image)
    x = 0.0
    for piece, font in fonts.runs(text):
        loaded = fonts.load(font, size)
        draw.text((x, round(size * ASCENT)), piece, fill=255, font=loaded, anchor="ls")
        x += loaded.getlength(piece)
    return image


@lru_cache(maxsize=4096)
def shortened(text: str, size: int, width: int) -> str:
    """The text, or as much of it as fits into a width with an ellipsis at the end."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""
