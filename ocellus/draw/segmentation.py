"""The class of each pixel drawn over its picture, with a legend; what is wrong, and what is unsure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ocellus.draw.chips import Color
from ocellus.draw.instances import font_size, from_image, to_image
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.values import Picture, Segmentation
from ocellus.values.html import color as class_color
from ocellus.values.segmentation import IGNORED

PLAIN = ("background",)
"""Names of classes that are left as they are: what is not drawn over can be seen."""

PLAIN_COLOR: Color = (122, 128, 138)
WRONG: Color = (235, 45, 40)
UNSURE: Color = (255, 206, 40)
PANEL: Color = (14, 16, 20)
LEGEND_SHARE = 0.5
"""The legend takes at most this share of the picture's height, and of its width."""

HEAT = np.array(
    [(8, 8, 24), (66, 16, 92), (150, 38, 102), (222, 76, 64), (250, 156, 40), (252, 252, 190)], np.float32
)
"""From sure to unsure: even steps of lightness, so that it reads without color too."""


def class_colors(stated: Sequence[Color], count: int) -> list[Color]:
    """RGB of each of so many classes: those that the data set states, and chosen ones where it has none."""
    return [stated[label] if label < len(stated) else class_color(label) for label in range(count)]


def draw_segmentation(
    picture: Picture,
    segmentation: Segmentation,
    *,
    fill: float = 0.5,
    legend: bool = True,
    outlines: bool = True,
    longest: int | None = None,
) -> Picture:
    """A copy of the picture with each class in its color, thin outlines, and a legend of what there is.

    A class called "background", and pixels that are annotated as nothing, are left as they are.

    Args:
        picture: what was looked at.
        segmentation: of the same size.
        fill: opacity of the colors, 0 to 1.
        legend: names and shares of the classes that are there, in the lower left corner.
        outlines: lines where two classes meet.
        longest: pixels of the longer side to draw at; None: as large as the picture is.

    Raises:
        ValueError: the labels are of a picture of another size.
    """
    canvas, labels = _prepared(picture, segmentation, longest)
    palette, opacity = _paints(segmentation, fill)
    pixels = np.asarray(canvas, np.float32)
    alpha = opacity[labels]
    if outlines:
        edge = meeting(labels, max(1, round(max(labels.shape) / 900)))
        alpha = np.where(edge & (alpha > 0), np.float32(0.95), alpha)
    drawn = pixels + (palette[labels] - pixels) * alpha[:, :, None]
    image = Image.fromarray((drawn + 0.5).astype(np.uint8))
    if legend:
        _paint_legend(image, segmentation)
    return from_image(image, path=picture.path)


def draw_uncertainty(segmentation: Segmentation, *, longest: int | None = None) -> Picture:
    """1 - confidence as light: dark where the network is sure, bright where classes are equally likely.

    Args:
        segmentation: with confidence.
        longest: pixels of the longer side to draw at; None: as large as it is.

    Raises:
        ValueError: there is no confidence: an annotation has none.
    """
    unsure = uncertainty(segmentation)
    place = unsure * (len(HEAT) - 1)
    low = np.minimum(place.astype(np.int64), len(HEAT) - 2)
    share = (place - low)[:, :, None]
    drawn = HEAT[low] * (1 - share) + HEAT[low + 1] * share
    image = Image.fromarray((drawn + 0.5).astype(np.uint8))
    return from_image(_sized(image, longest))


def draw_mistakes(
    picture: Picture, prediction: Segmentation, truth: Segmentation, *, longest: int | None = None
) -> Picture:
    """The picture in grey: red where the class is wrong, yellow where it is right but unsure.

    Args:
        picture: what was looked at.
        prediction: what was found.
        truth: what is annotated; where nothing is, nothing is said.
        longest: pixels of the longer side to draw at; None: as large as the picture is.

    Raises:
        ValueError: the labels are of a picture of another size.
    """
    canvas, found = _prepared(picture, prediction, longest)
    _, wanted = _prepared(picture, truth, longest)
    grey = np.asarray(canvas.convert("L").convert("RGB"), np.float32) * 0.75 + 50
    known = wanted != IGNORED
    wrong = known & (found != wanted)
    alpha = np.where(wrong, np.float32(0.85), np.float32(0))
    if prediction.confidence is not None:
        heat = Image.fromarray((uncertainty(prediction) * 255).astype(np.uint8))
        unsure = np.asarray(heat.resize(canvas.size, Image.Resampling.BILINEAR), np.float32) / 255
        alpha = np.where(wrong, alpha, np.where(known, 0.9 * unsure, 0))
    paint = np.where(wrong[:, :, None], np.array(WRONG, np.float32), np.array(UNSURE, np.float32))
    drawn = grey + (paint - grey) * alpha[:, :, None]
    drawn[~known] *= 0.55
    return from_image(Image.fromarray((drawn + 0.5).astype(np.uint8)), path=picture.path)


def uncertainty(segmentation: Segmentation) -> NDArray[np.float32]:
    """(H, W) from 0, sure, to 1, where all classes are equally likely.

    Raises:
        ValueError: there is no confidence.
    """
    if segmentation.confidence is None:
        raise ValueError("a segmentation without confidence has no uncertainty to draw")
    most = 1 - 1 / max(2, len(segmentation.names))
    sure: NDArray[np.float32] = segmentation.confidence.float().cpu().numpy()
    unsure: NDArray[np.float32] = ((1 - sure) / np.float32(most)).clip(0, 1)
    return unsure


def meeting(labels: NDArray[np.uint8], thickness: int) -> NDArray[np.bool_]:
    """(H, W) pixels that have another class within so many pixels to the right, left, above or below."""
    edge = np.zeros(labels.shape, bool)
    for step in range(1, thickness + 1):
        across = labels[:, step:] != labels[:, :-step]
        down = labels[step:] != labels[:-step]
        edge[:, step:] |= across
        edge[step:] |= down
        if step < thickness or thickness == 1:
            edge[:, :-step] |= across
            edge[:-step] |= down
    return edge


def _prepared(
    picture: Picture, segmentation: Segmentation, longest: int | None
) -> tuple[Image.Image, NDArray[np.uint8]]:
    """The picture and the (h, w) labels at the size they are drawn at."""
    if picture.size != segmentation.size:
        (height, width), (tall, wide) = segmentation.size, picture.size
        raise ValueError(f"labels of a {width}x{height} picture cannot be drawn into one of {wide}x{tall}")
    canvas = to_image(picture, scale=1.0 if longest is None else longest / max(picture.size))
    labels = Image.fromarray(segmentation.labels.cpu().numpy())
    if canvas.size != labels.size:
        labels = labels.resize(canvas.size, Image.Resampling.NEAREST)
    return canvas, np.asarray(labels)


def _sized(image: Image.Image, longest: int | None) -> Image.Image:
    if longest is None or max(image.size) == longest:
        return image
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _paints(segmentation: Segmentation, fill: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(256, 3) colors and (256,) opacities of the labels."""
    palette = np.array([*class_colors(segmentation.colors, IGNORED), (0, 0, 0)], np.float32)
    opacity = np.full(IGNORED + 1, fill, np.float32)
    opacity[IGNORED] = 0
    for label, name in enumerate(segmentation.names):
        if name in PLAIN:
            palette[label], opacity[label] = PLAIN_COLOR, 0
    return palette, opacity


def _paint_legend(image: Image.Image, segmentation: Segmentation) -> None:
    """A dark panel in the lower left corner: color, name and share of each class, the largest first."""
    size = max(10, round(0.8 * font_size(image.size)))
    line, gap = round(1.25 * line_height(size)), max(4, size // 2)
    room = int((LEGEND_SHARE * image.height - 2 * gap) // line)
    rows = _rows(segmentation, room)
    widest = round(LEGEND_SHARE * image.width) - 4 * gap - size
    right = max((text_width(share, size) for _, _, share in rows), default=0)
    if not rows or widest - right < 2 * size:
        return
    names = [shortened(name, size, widest - right - gap) for _, name, _ in rows]
    left = max(text_width(name, size) for name in names)
    width, height = 4 * gap + size + left + right, 2 * gap + line * len(rows)
    top = image.height - height - gap
    panel = Image.new("L", (width, height), 0)
    ImageDraw.Draw(panel).rounded_rectangle((0, 0, width - 1, height - 1), radius=gap, fill=200)
    image.paste(PANEL, (gap, top), panel)
    pen = ImageDraw.Draw(image)
    for number, ((paint, _, share), name) in enumerate(zip(rows, names, strict=True)):
        y = top + gap + number * line
        text = y + (line - line_height(size)) // 2
        if paint is not None:
            middle = y + line // 2
            box = (2 * gap, middle - size // 2, 2 * gap + size, middle - size // 2 + size)
            pen.rounded_rectangle(box, radius=size // 4, fill=paint)
        image.paste((246, 247, 250), (3 * gap + size, text), text_coverage(name, size))
        place = gap + width - gap - text_width(share, size)
        image.paste((190, 196, 206), (place, text), text_coverage(share, size)) if share else None


def _rows(segmentation: Segmentation, room: int) -> list[tuple[Color | None, str, str]]:
    """Color, name and share of as many classes as there is room for; the last line counts the others."""
    palette, _ = _paints(segmentation, 1.0)
    counts = np.bincount(segmentation.labels.cpu().numpy().ravel(), minlength=IGNORED + 1)[:IGNORED]
    total = max(1, int(counts.sum()))
    there = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label] >= 0.0005 * total]
    there = [label for label in there if counts[label]]
    shown = there if len(there) <= room else there[: max(0, room - 1)]
    rows: list[tuple[Color | None, str, str]] = []
    for label in shown:
        red, green, blue = (int(value) for value in palette[label])
        share = 100 * counts[label] / total
        text = f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"
        rows.append(((red, green, blue), segmentation.name(label), text))
    if len(shown) < len(there) and room > 0:
        rows.append((None, f"and {len(there) - len(shown)} more", ""))
    return rows
