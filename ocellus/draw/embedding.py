"""Pictures in a plane: points in the colors of their labels, small pictures where there is room, a legend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ocellus.draw.instances import from_image, to_image
from ocellus.draw.sheet import INK, PAPER, draw_legend
from ocellus.draw.text import line_height, text_coverage
from ocellus.errors import OcellusError
from ocellus.values import Embedding, Picture
from ocellus.values.html import color

SIDE = 1400  # pixels of the plane
THUMBNAIL = 84  # of a small picture's longer side
FRAME = 4
PLAIN = (120, 127, 138)
MOST_NAMES = 60
"""Labels in the legend; of more the most frequent."""
LETTERS = 17  # pixels of the legend's letters
FINER = 3  # points are drawn this many times as large and made smaller, so that they are round


def draw_embedding(
    embedding: Embedding,
    thumbnail: Callable[[str], Picture | None] | None = None,
    *,
    side: int = SIDE,
    small: int = THUMBNAIL,
) -> Picture:
    """An embedding as a picture.

    Each picture is a point in the color of its label. Small pictures, framed in that color, are laid over
    them where none covers another; which ones is settled by their order, spread over all.

    Args:
        embedding: what is drawn.
        thumbnail: gives a small picture by its path, None where it is not there any more; None: points alone.
        side: of the plane, in pixels.
        small: the longer side of a small picture, in pixels.

    Raises:
        OcellusError: there is no point. Exit code 2.
    """
    if not len(embedding):
        raise OcellusError("there are no pictures to be drawn", exit_code=2)
    margin = small // 2 + 2 * FRAME
    places = _places(embedding.points.cpu().numpy().astype(np.float64), side, margin)
    colors = _colors(embedding)
    canvas = _points(places, colors, side)
    if thumbnail is not None:
        _lay_pictures(canvas, embedding, places, colors, thumbnail, small)
    names = embedding.names
    if not names:
        return from_image(canvas)
    counts = [embedding.labels.count(name) for name in names]
    frequent = sorted(range(len(names)), key=lambda label: (-counts[label], label))[:MOST_NAMES]
    texts = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    legend = to_image(draw_legend(texts, labels=frequent, width=side, size=LETTERS))
    rest = f"the {len(frequent)} most frequent of {len(names)} labels" if len(frequent) < len(names) else ""
    below = 2 * line_height(LETTERS) if rest else 0
    whole = Image.new("RGB", (side, side + legend.height + below), PAPER)
    whole.paste(canvas, (0, 0))
    whole.paste(legend, (0, side))
    if rest:
        whole.paste(INK, (LETTERS, side + legend.height), text_coverage(rest, LETTERS))
    return from_image(whole)


def _places(points: NDArray[np.float64], side: int, margin: int) -> NDArray[np.float64]:
    """(N, 2) pixels: the points' own shape, as large as fits."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (side - 2 * margin) / max(float((high - low).max()), 1e-12)
    places: NDArray[np.float64] = (points - (low + high) / 2) * scale + side / 2
    return places


def _colors(embedding: Embedding) -> list[tuple[int, int, int]]:
    index = {name: number for number, name in enumerate(embedding.names)}
    return [color(index[label]) if label else PLAIN for label in embedding.labels]


def _points(places: NDArray[np.float64], colors: list[tuple[int, int, int]], side: int) -> Image.Image:
    radius = FINER * float(np.clip(120 / np.sqrt(len(places)), 3, 7))
    large = Image.new("RGB", (FINER * side, FINER * side), PAPER)
    draw = ImageDraw.Draw(large)
    for (x, y), fill in zip(FINER * places, colors, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    return large.resize((side, side), Image.Resampling.BOX)


def _lay_pictures(
    canvas: Image.Image,
    embedding: Embedding,
    places: NDArray[np.float64],
    colors: list[tuple[int, int, int]],
    thumbnail: Callable[[str], Picture | None],
    small: int,
) -> None:
    """Small pictures where none covers another."""
    taken = np.zeros((0, 2))
    draw = ImageDraw.Draw(canvas)
    # Whatever order the rows are in (by class, mostly), the ones that are shown come from all of it.
    for row in np.random.default_rng(0).permutation(len(places)):
        if (np.abs(taken - places[row]).max(axis=1) < small + 2 * FRAME).any():
            continue
        picture = thumbnail(embedding.paths[row])
        if picture is None:
            continue
        image = to_image(picture, scale=small / max(picture.size))
        x, y = (round(float(value)) for value in places[row])
        left, top = x - image.width // 2, y - image.height // 2
        corners = (left - FRAME, top - FRAME, left + image.width + FRAME - 1, top + image.height + FRAME - 1)
        draw.rectangle(corners, fill=colors[row])
        canvas.paste(image, (left, top))
        taken = np.concatenate([taken, places[row][None]])
