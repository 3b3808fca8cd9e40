"""From one number a pixel to color: tables of even lightness, the map over its picture, a bar to read it by.

A map has one channel and a screen three, so each value is looked up in a table of colors. A good table is
ordered to the eye: equal steps of the value are equal steps of lightness, so that no edge is seen where the
map has none, and the order survives in grey. Rainbow tables (jet) break both: their yellow and cyan stand out
as bands, whatever lies there. The two tables here are computed in OKLab, where equal distances look equal:

- unsigned: dark violet, red, orange, pale yellow; lightness rises in equal steps;
- signed: pale at 0, red for, blue against, and both sides equally dark at equal magnitude.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ocellus.draw.instances import from_image, to_image
from ocellus.draw.text import line_height, shortened, text_coverage, text_width
from ocellus.values import Heatmap, Picture

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

ENTRIES = 256
PANEL, INK, SOFT = (14, 16, 20), (246, 247, 250), (190, 196, 206)
BRIGHTEST = 0.995
"""A few pixels of a gradient are often tenfold the others and would leave the rest dark. Where the largest
value is more than half above that of this share of the non-zero pixels, the share's has the last color."""
OPACITY = 0.85

# OKLCh of the unsigned table at even places: hue in degrees, chroma. Lightness is a straight line.
HEAT_LIGHTNESS = (0.22, 0.97)
HEAT_HUE = (285.0, 310.0, 345.0, 380.0, 405.0, 428.0, 455.0)
HEAT_CHROMA = (0.09, 0.15, 0.19, 0.20, 0.18, 0.16, 0.07)
# And of the signed one: lightness at 0 and at the ends, chroma at the ends, hues for and against.
SIGNED_LIGHTNESS = (0.96, 0.50)
SIGNED_CHROMA = 0.20
FOR_HUE, AGAINST_HUE = 27.0, 262.0


def colorize(values: Tensor, *, signed: bool = False, limit: float | None = None) -> Tensor:
    """(H, W) values -> (3, H, W) uint8 RGB.

    Args:
        values: (H, W) floats; below 0 only where signed.
        signed: take the table with two sides.
        limit: the magnitude of the last color; None: `full_color(values)`.
    """
    index, table = _indices(values, signed, limit), _table(signed)
    return torch.from_numpy(table[index]).permute(2, 0, 1).contiguous()


def full_color(values: Tensor) -> float:
    """The magnitude that has the last color: of (H, W) values the largest, but for a few that stick out.

    Returns:
        A number above 0; 1 where all are 0.
    """
    strengths = values.detach().float().abs().flatten().cpu().numpy()
    there = strengths[strengths > 0]
    if not len(there):
        return 1.0
    common, largest = float(np.quantile(there, BRIGHTEST)), float(there.max())
    return largest if largest <= 1.5 * common else common


def draw_heatmap(
    heat: Heatmap,
    picture: Picture | None = None,
    *,
    opacity: float = OPACITY,
    legend: bool = True,
    limit: float | None = None,
    longest: int | None = None,
) -> Picture:
    """The map over its picture, which loses some of its own color; opaque where the map is strong.

    Args:
        heat: the map.
        picture: of the map's size; None: the one that the map keeps.
        opacity: of the strongest values, 0 to 1; it falls with the root of the value.
        legend: a strip below with the method, the answer and the colors' meaning.
        limit: see `colorize`; one for all frames of a video.
        longest: pixels of the longer side to draw at; None: as large as the picture is.

    Raises:
        ValueError: no picture, or one of another size.
    """
    picture = heat.picture if picture is None else picture
    if picture is None or picture.size != heat.size:
        given = "no picture" if picture is None else f"a picture of {picture.size}"
        raise ValueError(f"a heat map of {heat.size} cannot be drawn over {given}")
    canvas = to_image(picture, scale=1.0 if longest is None else longest / max(picture.size))
    limit = full_color(heat.values) if limit is None else limit
    values = _sized(heat.values, (canvas.height, canvas.width))
    pixels = np.asarray(canvas, np.float32)
    grey = np.asarray(canvas.convert("L"), np.float32)[:, :, None]
    back = 0.4 * pixels + 0.6 * grey
    strength = (values.abs() / limit).clamp(0, 1) if heat.signed else (values / limit).clamp(0, 1)
    alpha = opacity * strength.sqrt().cpu().numpy()[:, :, None]
    # Over a picture 0 is transparent, so that what is weak need not be pale: signed maps keep their hue.
    paint = _paint(values, heat.signed, limit)
    image = Image.fromarray((back + (paint - back) * alpha + 0.5).astype(np.uint8))
    return from_image(_with_strip(image, heat, limit) if legend else image, path=picture.path)


def draw_map(
    heat: Heatmap, *, legend: bool = True, limit: float | None = None, longest: int | None = None
) -> Picture:
    """The map alone, each value in its color; the arguments are those of `draw_heatmap`."""
    limit = full_color(heat.values) if limit is None else limit
    scale = 1.0 if longest is None else longest / max(heat.size)
    values = _sized(heat.values, (max(1, round(heat.size[0] * scale)), max(1, round(heat.size[1] * scale))))
    image = to_image(Picture(pixels=colorize(values, signed=heat.signed, limit=limit)))
    return from_image(_with_strip(image, heat, limit) if legend else image)


def draw_pattern(heat: Heatmap) -> Picture | None:
    """The signed pattern of each color on grey, as deconvnets are shown; None where the map has no three."""
    if heat.channels is None or len(heat.channels) != 3:
        return None
    shares = heat.channels / (2 * full_color(heat.channels.flatten(1)))
    return Picture(pixels=((0.5 + shares).clamp(0, 1) * 255).round().to(torch.uint8))


def _indices(values: Tensor, signed: bool, limit: float | None) -> NDArray[np.int64]:
    """(H, W) rows of the table."""
    limit = full_color(values) if limit is None else limit
    shares = (values.detach().float() / limit).clamp(-1 if signed else 0, 1).cpu().numpy()
    place = (shares + 1) / 2 if signed else shares
    index: NDArray[np.int64] = np.rint(place * (ENTRIES - 1)).astype(np.int64)
    return index


def _paint(values: Tensor, signed: bool, limit: float) -> NDArray[np.float32]:
    """(H, W, 3) what is laid over a picture; of signed maps the outer half of each side."""
    if signed:
        shares = (values / limit).clamp(-1, 1)
        values, limit = torch.where(shares < 0, shares - 1, shares + 1) / 2, 1.0
    return _table(signed)[_indices(values, signed, limit)].astype(np.float32)


def _sized(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) float values at another size."""
    if tuple(values.shape) == size:
        return values.float()
    smaller = size[0] < values.shape[0]
    resized: Tensor = F.interpolate(
        values.float()[None, None], size=size, mode="bilinear", align_corners=False, antialias=smaller
    )
    return resized[0, 0]


def _with_strip(image: Image.Image, heat: Heatmap, limit: float) -> Image.Image:
    """The image with a strip below: what it is of, and the colors with the values they stand for."""
    size = max(9, min(20, round(image.width / 34)))
    line, gap = line_height(size), size // 2
    whole = Image.new("RGB", (image.width, image.height + 2 * line + 3 * gap), PANEL)
    whole.paste(image, (0, 0))
    top = image.height + gap
    title = f"{heat.method}: {heat.target}{f' · {heat.layer}' if heat.layer else ''}"
    _write(whole, shortened(title, size, image.width - 2 * gap), (gap, top), INK, size)
    top += line + gap // 2
    more = "+" if float(heat.values.abs().amax()) > limit else ""
    low, high = (
        (f"against {-limit:.3g}", f"for {limit:.3g}{more}") if heat.signed else ("0", f"{limit:.3g}{more}")
    )
    room = image.width - 4 * gap - text_width(low, size) - text_width(high, size)
    if room < 4 * size:
        return whole
    _write(whole, low, (gap, top), SOFT, size)
    _write(whole, high, (image.width - gap - text_width(high, size), top), SOFT, size)
    bar = np.linspace(-1 if heat.signed else 0, 1, room)[None].repeat(max(4, size * 2 // 3), 0)
    colors = colorize(torch.from_numpy(bar), signed=heat.signed, limit=1.0)
    place = (2 * gap + text_width(low, size), top + (line - bar.shape[0]) // 2)
    whole.paste(to_image(Picture(pixels=colors)), place)
    return whole


def _write(
    image: Image.Image, text: str, place: tuple[int, int], ink: tuple[int, int, int], size: int
) -> None:
    if text:
        image.paste(ink, place, text_coverage(text, size))


@lru_cache(maxsize=2)
def _table(signed: bool) -> Pixels:
    """(256, 3) uint8 sRGB."""
    if signed:
        side = np.linspace(-1, 1, ENTRIES)
        lightness = SIGNED_LIGHTNESS[0] + (SIGNED_LIGHTNESS[1] - SIGNED_LIGHTNESS[0]) * np.abs(side)
        hue = np.where(side > 0, FOR_HUE, AGAINST_HUE)
        return _srgb(lightness, SIGNED_CHROMA * np.abs(side), hue)
    place = np.linspace(0, 1, ENTRIES)
    hue = np.interp(place, np.linspace(0, 1, len(HEAT_HUE)), HEAT_HUE)
    chroma = np.interp(place, np.linspace(0, 1, len(HEAT_CHROMA)), HEAT_CHROMA)
    return _srgb(HEAT_LIGHTNESS[0] + (HEAT_LIGHTNESS[1] - HEAT_LIGHTNESS[0]) * place, chroma, hue)


def _srgb(lightness: Floats, chroma: Floats, hue: Floats) -> Pixels:
    """OKLCh -> sRGB 0..255; chroma is lowered to what a screen can show, lightness and hue stay."""
    low, high = np.zeros_like(chroma), chroma.copy()
    for _ in range(20):  # bisection: to a millionth of the chroma
        middle = (low + high) / 2
        linear = _linear(lightness, middle, hue)
        fits = ((linear >= 0) & (linear <= 1)).all(axis=1)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    linear = _linear(lightness, low, hue).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    pixels: Pixels = np.rint(encoded * 255).astype(np.uint8)
    return pixels


def _linear(lightness: Floats, chroma: Floats, hue: Floats) -> Floats:
    """(N, 3) linear sRGB of OKLCh; the matrices of OKLab's definition (Ottosson 2020)."""
    angle = np.radians(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    cones = lab @ np.array(
        [
            [1, 1, 1],
            [0.3963377774, -0.1055613458, -0.0894841775],
            [0.2158037573, -0.0638541728, -1.2914855480],
        ]
    )
    linear: Floats = cones**3 @ np.array(
        [
            [4.0767416621, -1.2684380046, -0.0041960863],
            [-3.3077115913, 2.6097574011, -0.7034186147],
            [0.2309699292, -0.3413193965, 1.7076147010],
        ]
    )
    return linear
