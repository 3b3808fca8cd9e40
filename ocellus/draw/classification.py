"""What a picture shows as a whole: a row for each of the likeliest classes, below the picture."""

from __future__ import annotations

from PIL import Image

from ocellus.draw.chips import Color
from ocellus.draw.instances import font_size, from_image, to_image
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.values import Classification, Picture

LEAST = 320
"""Pixels of the longer side of a drawing, so that words can be read below thumbnails."""

PANEL: Color = (14, 16, 20)
INK: Color = (246, 247, 250)
BAR: Color = (38, 84, 148)
RIGHT: Color = (24, 110, 62)
WRONG: Color = (150, 40, 44)
MARK = "✓"


def draw_classification(
    picture: Picture,
    said: Classification,
    *,
    truth: int | None = None,
    count: int = 5,
    longest: int | None = None,
) -> Picture:
    """The picture, and below it the likeliest classes, each with a bar as long as its probability.

    Args:
        picture: what was looked at.
        said: of it.
        truth: the class that it is of, where known: its bar is green, and the first one red if it is another.
            It takes the last row if it is not among the likeliest.
        count: rows; fewer where there are fewer classes, and as many for every picture of a video.
        longest: pixels of the picture's longer side; None: its own, but small pictures are enlarged.
    """
    side = longest or max(LEAST, max(picture.size))
    image = to_image(picture, scale=side / max(picture.size))
    labels = said.probabilities.float().topk(min(count, len(said))).indices.tolist()
    if truth is not None and truth not in labels:
        labels[-1] = truth
    size = max(11, round(0.8 * font_size(image.size)))
    tall = round(1.3 * line_height(size))
    width = max(image.width, 12 * size)
    drawn = Image.new("RGB", (width, image.height + tall * len(labels)), PANEL)
    drawn.paste(image, ((width - image.width) // 2, 0))
    for row, label in enumerate(labels):
        paint = BAR
        if truth is not None:
            paint = RIGHT if label == truth else WRONG if row == 0 else BAR
        name = f"{said.name(label)} {MARK}" if label == truth else said.name(label)
        share = float(said.probabilities[label])
        _paint_row(drawn, name, share, top=image.height + row * tall, size=size, tall=tall, paint=paint)
    return from_image(drawn, path=picture.path)


def _paint_row(
    image: Image.Image, name: str, share: float, *, top: int, size: int, tall: int, paint: Color
) -> None:
    gap = max(3, size // 3)
    figure = percent(share)
    image.paste(paint, (0, top + 1, max(round(share * image.width), 1), top + tall - 1))
    text = top + (tall - line_height(size)) // 2
    right = image.width - gap - text_width(figure, size)
    image.paste(INK, (gap, text), text_coverage(shortened(name, size, right - 2 * gap), size))
    image.paste(INK, (right, text), text_coverage(figure, size))


def percent(share: float) -> str:
    """ "61 %", "0.3 %", "under 0.1 %"."""
    if share >= 0.01:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"
