"""Filters, activation maps, patches and climbed pictures as sheets."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

from ocellus.draw.heatmap import colorize
from ocellus.draw.sheet import draw_sheet
from ocellus.values import Activations, Ascent, Filters, Patches, Picture

SLICES = 16
"""Channels that are shown of a filter that has no colors."""
GREY, DARK = 128, 60


def draw_filters(filters: Filters, *, columns: int = 0, cell: int = 72, most: int = 256) -> Picture:
    """Each filter by itself, its largest weight at full strength; 0 is grey, or white where there are no
    colors and red is positive and blue negative.

    Args:
        filters: of any layer; of one without colors the first channels of each are shown.
        columns: filters in a row; 0: about as many as there are rows.
        cell: pixels that a filter is wide.
        most: filters that are shown.
    """
    weights = filters.weights[:most]
    columns = columns or max(4, ceil(len(weights) ** 0.5 * 1.3))
    cells = [_filter(own, filters.colored, cell) for own in weights]
    captions = [str(number) for number in (filters.numbers or range(len(weights)))[: len(cells)]]
    return draw_sheet(cells, columns=columns, captions=captions, cell_width=cell, gap=6)


def _filter(weights: Tensor, colored: bool, cell: int) -> Picture:
    """(C, h, w) weights."""
    if colored:
        shares = weights / (2 * weights.abs().amax().clamp(min=1e-20)) + 0.5
        return _enlarged(Picture(pixels=(shares * 255).round().to(torch.uint8)), cell)
    if len(weights) == 1:
        return _enlarged(Picture(pixels=colorize(weights[0], signed=True)), cell)
    return _enlarged(_slices(weights[:SLICES]), cell)


def _slices(weights: Tensor) -> Picture:
    """(C, h, w) channels side by side in one scale, a dark line of a pixel between them."""
    height, width = weights.shape[1:]
    across = min(4, len(weights))
    down = ceil(len(weights) / across)
    canvas = torch.full((3, down * (height + 1) - 1, across * (width + 1) - 1), DARK, dtype=torch.uint8)
    limit = float(weights.abs().amax().clamp(min=1e-20))
    for index, own in enumerate(weights):
        top, left = index // across * (height + 1), index % across * (width + 1)
        canvas[:, top : top + height, left : left + width] = colorize(own, signed=True, limit=limit)
    return Picture(pixels=canvas)


def draw_activations(activations: Activations, *, columns: int = 0, cell: int = 128) -> Picture:
    """The picture, and each map in colors of its own scale; red and blue where a map has both signs.

    Args:
        activations: of one layer.
        columns: in a row; 0: about as many as there are rows.
        cell: pixels that a map is wide.
    """
    pictures, captions = [], []
    if activations.picture is not None:
        pictures, captions = [activations.picture], ["the picture"]
    for index, (channel, own) in enumerate(zip(activations.channels, activations.values, strict=True)):
        signed = bool(own.amin() < 0)
        pictures.append(_enlarged(Picture(pixels=colorize(own, signed=signed)), cell))
        effects = activations.effects
        said = f"{float(own.amax()):.3g}" if effects is None else f"without {-float(effects[index]):+.2g}"
        captions.append(f"{channel}: {said}")
    columns = columns or max(4, ceil(len(pictures) ** 0.5))
    return draw_sheet(pictures, columns=columns, captions=captions, cell_width=cell, gap=6)


def draw_patches(patches: Patches, *, cell: int = 112, masked: bool = True, share: float = 0.5) -> Picture:
    """A row for each unit, the strongest patch first; below it the same with what excites the unit alone.

    Args:
        patches: of one layer.
        cell: pixels that a patch is wide.
        masked: show the second row.
        share: see `Patch.masked`.
    """
    columns = max((len(patches.of(unit)) for unit in patches.units), default=1) or 1
    pictures: list[Picture] = []
    captions: list[str] = []
    nothing = Picture(pixels=torch.full((3, cell, cell), 255, dtype=torch.uint8))
    for unit in patches.units:
        found = patches.of(unit)
        missing = columns - len(found)
        texts = [f"{patch.score:.3g}" for patch in found] + [""] * missing
        texts[0] = f"unit {unit}: {texts[0]}" if found else f"unit {unit}: nothing"
        pictures += [_square(patch.picture, cell) for patch in found] + [nothing] * missing
        captions += texts
        if masked and found:
            pictures += [_square(patch.masked(share), cell) for patch in found] + [nothing] * missing
            captions += [""] * columns
    return draw_sheet(pictures, columns=columns, captions=captions, cell_width=cell, gap=6)


def draw_ascents(ascents: Sequence[Ascent], *, columns: int = 4, cell: int = 320) -> Picture:
    """The climbed pictures, with what the network says of each.

    Args:
        ascents: any number.
        columns: in a row.
        cell: pixels that a picture is wide.
    """
    pictures = [_enlarged(one.picture, cell) for one in ascents]
    return draw_sheet(
        pictures, columns=columns, captions=[ascent_caption(one) for one in ascents], cell_width=cell, gap=8
    )


def ascent_caption(ascent: Ascent) -> str:
    """ "tabby: 99.3 %", with "not reached" where it is so."""
    name = ascent.target.removeprefix("class ")
    if ascent.probability != ascent.probability:
        return f"{name}: {ascent.score:.3g}"
    text = f"{name}: {100 * ascent.probability:.1f} %"
    return text if ascent.reached else f"{text}, not reached"


def _enlarged(picture: Picture, cell: int) -> Picture:
    """Small pictures with their pixels as squares, so that nothing is smoothed."""
    factor = max(1, cell // picture.size[1])
    pixels = picture.pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    return Picture(pixels=pixels)


def _square(picture: Picture, cell: int) -> Picture:
    """A picture in the middle of a grey square."""
    large = _enlarged(picture, max(cell * picture.size[1] // max(picture.size), 1))
    side = max(large.size)
    pixels = torch.full((3, side, side), GREY, dtype=torch.uint8)
    top, left = (side - large.size[0]) // 2, (side - large.size[1]) // 2
    pixels[:, top : top + large.size[0], left : left + large.size[1]] = large.pixels.cpu()
    return Picture(pixels=pixels)
