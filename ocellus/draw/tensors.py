"""Tensors as pictures: maps with their strongest channels, tables, bars, and points inside boxes."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ocellus.draw.chips import Color
from ocellus.draw.heatmap import colorize, full_color
from ocellus.draw.instances import from_image, line_width, to_image
from ocellus.draw.shapes import DARK, paint_box, paint_line
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.values import Picture

PANEL: Color = (14, 16, 20)
INK: Color = (246, 247, 250)
SOFT: Color = (190, 196, 206)
BAR: Color = (69, 196, 187)
GAP = 4


def draw_channels(strength: Tensor, channels: Tensor, *, width: int = 480) -> Picture:
    """A map's strength on the left; on the right its channels, each with colors of its own.

    Args:
        strength: (h, w), 0 or more.
        channels: (n, h, w); red is positive, blue negative where any is below 0.
        width: of the drawing, in pixels.
    """
    if not len(channels):
        return from_image(_cell(strength, width, signed=False))
    columns = ceil(len(channels) ** 0.5)  # as many rows: together they are as large as the strength
    side = (width - GAP) // 2
    cell = max(8, (side - (columns - 1) * GAP) // columns)
    right = _grid([_cell(one, cell, signed=bool(one.amin() < 0)) for one in channels], columns)
    tall = max(1, round(side * strength.shape[0] / strength.shape[1]))
    image = Image.new("RGB", (side + GAP + right.width, max(tall, right.height)), PANEL)
    image.paste(_cell(strength, side, signed=False), (0, 0))
    image.paste(right, (side + GAP, 0))
    return from_image(image)


def draw_maps(maps: Tensor, *, columns: int = 4, width: int = 480, limit: float | None = None) -> Picture:
    """Several maps side by side, in one scale of colors.

    Args:
        maps: (n, h, w); signed where any is below 0.
        columns: maps in a row.
        width: of the drawing, in pixels.
        limit: the magnitude of the last color; None: what `full_color` says of all of them.
    """
    columns = min(columns, len(maps))
    cell = max(8, (width - (columns - 1) * GAP) // columns)
    limit = full_color(maps.flatten(1)) if limit is None else limit
    return from_image(
        _grid([_cell(one, cell, signed=bool(maps.amin() < 0), limit=limit) for one in maps], columns)
    )


def draw_table(values: Tensor, *, width: int = 480) -> Picture:
    """(rows, columns) numbers as small squares: red is positive, blue negative where any is below 0."""
    signed = bool(values.amin() < 0)
    if len(values) == 1:  # a single vector goes over several lines
        length = values.shape[1]
        across = min(length, 32)
        rows = ceil(length / across)
        values = torch.cat([values[0], values.new_zeros(rows * across - length)]).reshape(rows, across)
    return from_image(_cell(values, width, signed=signed, limit=full_color(values)))


def draw_bars(
    rows: Sequence[tuple[str, float]], *, width: int = 480, colors: Sequence[Color] = (), size: int = 14
) -> Picture:
    """Names, bars as long as their shares, and the shares in per cent.

    Args:
        rows: (name, share 0 to 1).
        width: of the drawing, in pixels.
        colors: RGB of each bar; empty: one for all.
        size: of the letters, in pixels.
    """
    line, gap = line_height(size) + size // 2, size
    names = [shortened(name, size, width // 2) for name, _ in rows]
    left = max((text_width(name, size) for name in names), default=0) + 2 * gap
    most = text_width("100.0 %", size)
    image = Image.new("RGB", (width, line * max(1, len(rows)) + gap), PANEL)
    pen = ImageDraw.Draw(image)
    for number, ((_, share), name) in enumerate(zip(rows, names, strict=True)):
        top = gap // 2 + number * line
        image.paste(INK, (gap, top), text_coverage(name, size)) if name else None
        long = max(1, round((width - left - most - 2 * gap) * min(max(share, 0.0), 1.0)))
        paint = colors[number] if number < len(colors) else BAR
        pen.rounded_rectangle((left, top + 2, left + long, top + line - size // 2), radius=3, fill=paint)
        image.paste(SOFT, (left + long + gap // 2, top), text_coverage(f"{100 * share:.1f} %", size))
    return from_image(image)


def draw_boxes(picture: Picture, boxes: Tensor, shares: Tensor, *, longest: int = 480) -> Picture:
    """Boxes over a picture, the surest on top; the surer, the lighter.

    Args:
        picture: what they are in.
        boxes: (N, 4) x1, y1, x2, y2 in pixels of it.
        shares: (N,) 0 to 1.
        longest: pixels of the longer side to draw at.
    """
    scale = longest / max(picture.size)
    canvas = to_image(picture, scale=scale)
    colors = colorize(shares[None].float(), limit=1.0)[:, 0].T  # (N, 3)
    for index in shares.argsort().tolist():
        red, green, blue = colors[index].tolist()
        x1, y1, x2, y2 = (boxes[index] * scale).tolist()
        paint_box(canvas, (x1, y1, x2, y2), color=(red, green, blue), thickness=line_width(canvas.size))
    return from_image(canvas)


def draw_points(picture: Picture, box: Tensor, points: Tensor, *, side: int = 480) -> Picture:
    """A box of a picture, cut into its bins, with the points at which features are sampled.

    Args:
        picture: what it is in.
        box: (4,) x1, y1, x2, y2 in pixels of it.
        points: (bins, bins, n, m, 2) x, y in pixels of it.
        side: pixels of the longer side of the drawing.
    """
    x1, y1, x2, y2 = box.tolist()
    margin = 0.15 * max(x2 - x1, y2 - y1, 8)
    left, top = max(int(x1 - margin), 0), max(int(y1 - margin), 0)
    right, bottom = min(ceil(x2 + margin), picture.size[1]), min(ceil(y2 + margin), picture.size[0])
    part = Picture(pixels=picture.pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)])
    scale = side / max(part.size)
    canvas = to_image(part, scale=scale)
    offset = torch.tensor([left, top])
    bins = points.shape[0]
    corner, end = ((torch.tensor(p) - offset) * scale for p in ((x1, y1), (x2, y2)))
    for index in range(bins + 1):
        at = corner + (end - corner) * index / bins
        lines = (
            ((float(at[0]), float(corner[1])), (float(at[0]), float(end[1]))),
            ((float(corner[0]), float(at[1])), (float(end[0]), float(at[1]))),
        )
        for first, last in lines:
            paint_line(canvas, first, last, color=INK, radius=0.6, opacity=0.75)
    radius = max(1.2, scale * float((box[2:] - box[:2]).min()) / bins / 12)
    for x, y in ((points.reshape(-1, 2) - offset) * scale).tolist():
        paint_line(canvas, (x, y), (x, y), color=DARK, radius=radius + 1, opacity=0.6)
        paint_line(canvas, (x, y), (x, y), color=(250, 200, 60), radius=radius)
    return from_image(canvas)


def _cell(values: Tensor, width: int, *, signed: bool, limit: float | None = None) -> Image.Image:
    """(h, w) values as an image of a width; cells stay squares with sharp borders where they are enlarged."""
    image = to_image(Picture(pixels=colorize(values, signed=signed, limit=limit)))
    size = (width, max(1, round(width * values.shape[0] / values.shape[1])))
    larger = width >= values.shape[1]
    return image.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.BOX)


def _grid(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    rows = ceil(len(tiles) / columns)
    wide, tall = tiles[0].size
    image = Image.new("RGB", (columns * (wide + GAP) - GAP, rows * (tall + GAP) - GAP), PANEL)
    for index, tile in enumerate(tiles):
        image.paste(tile, (index % columns * (wide + GAP), index // columns * (tall + GAP)))
    return image
