"""Scenes: things of six kinds on real textures, touching and apart, with their exact masks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from ocellus.data.synthetic.outlines import KINDS, outline
from ocellus.data.synthetic.surfaces import Material, surface
from ocellus.data.synthetic.textures import LUMA, Dice, Floats, clouds, ground, slope
from ocellus.values import Instances, Masks, Picture
from ocellus.values.rings import Ring, fill

CLASSES = tuple(KINDS)
SMALLEST = 24  # pixels: of a thing hidden down to less, nothing is annotated
MOST = 40
FINE = 3  # outlines are drawn this much finer and averaged, so that they are smooth


def scene(seed: int, index: int, *, size: tuple[int, int] = (256, 256)) -> Instances:
    """One scene with its picture; the same for the same seed, index and size.

    Returns:
        Instances with labels into `CLASSES`, masks exact to the pixel and the picture.
    """
    dice = np.random.default_rng((seed, index))
    color = 0.0 if dice.random() < 0.5 else dice.uniform(0.2, 1.0)
    light = dice.uniform(0, 2 * np.pi)
    lightness = dice.uniform(0.08, 0.85)
    canvas = ground(size, dice, lightness=lightness, color=color * dice.uniform(0, 1))
    shared = Material(dice, ground=lightness, color=color, light=light)
    alike = dice.random() < 0.5
    shadow = dice.choice([0.0, 1.0]) * dice.uniform(0.1, 0.7)
    favourite = dice.dirichlet(np.full(len(CLASSES), dice.choice([0.3, 5.0])))
    owner = np.full(size, -1, np.int16)
    labels: list[int] = []
    for x, y, radius in places(size, dice):
        label = int(dice.choice(len(CLASSES), p=favourite))
        rings = tuple(ring * radius + (x, y) for ring in outline(CLASSES[label], dice))
        material = shared if alike else Material(dice, ground=lightness, color=color, light=light)
        put(canvas, owner, rings, dice, material, shadow=shadow * radius, number=len(labels))
        labels.append(label)
    pixels = developed(canvas, dice, grey=color == 0)
    return _instances(pixels, owner, labels)


def places(size: tuple[int, int], dice: Dice) -> list[tuple[float, float, float]]:
    """x, y and radius of the things of a scene: in rows, apart, touching, or lying over one another."""
    height, width = size
    typical = min(size) * 2 ** dice.uniform(-4.4, -2.3)
    spread = dice.uniform(0, 0.45)
    order = dice.choice(["rows", "apart", "touching", "over"], p=[0.2, 0.3, 0.25, 0.25])
    gap = {"rows": 1.08, "apart": dice.uniform(1.1, 1.6), "touching": 1.0, "over": dice.uniform(0.6, 0.9)}[
        order
    ]
    inset = typical * dice.choice([1.0, 1.0, 0.4])  # the last: cut off by the picture's border
    wanted = int(np.clip(dice.uniform(0.15, 0.75) * height * width / (np.pi * typical**2), 1, MOST))
    step = 2 * typical * (1 + spread) * dice.uniform(1.05, 1.5)
    columns, rows = max(int((width - inset) // step), 1), max(int((height - inset) // step), 1)
    found: list[tuple[float, float, float]] = []
    for attempt in range(8 * wanted):
        radius = typical * 2 ** dice.uniform(-spread, spread)
        if order == "rows":
            if attempt >= columns * rows:
                break
            row, column = divmod(attempt, columns)
            x, y = (np.array([column, row]) + 0.5) * (width / columns, height / rows) + dice.normal(
                0, 0.06, 2
            ) * step
        elif order == "touching" and found and dice.random() < 0.7:
            fx, fy, reach = found[int(dice.integers(len(found)))]
            angle = dice.uniform(0, 2 * np.pi)
            x, y = fx + 1.01 * (reach + radius) * np.cos(angle), fy + 1.01 * (reach + radius) * np.sin(angle)
        else:
            x, y = dice.uniform(inset, width - inset), dice.uniform(inset, height - inset)
        inside = 0.5 * inset <= x <= width - 0.5 * inset and 0.5 * inset <= y <= height - 0.5 * inset
        if inside and all(np.hypot(x - a, y - b) >= gap * (radius + r) for a, b, r in found):
            found.append((float(x), float(y), radius))
        if len(found) == wanted and order != "rows":
            break
    return found[:MOST]


def put(
    canvas: Floats,
    owner: NDArray[np.int16],
    rings: tuple[Ring, ...],
    dice: Dice,
    material: Material,
    *,
    shadow: float,
    number: int,
) -> None:
    """Draw one thing over what is there.

    Args:
        canvas: (H, W, 3), changed.
        owner: (H, W) number of the topmost thing, changed.
        rings: its outline in pixels.
        dice: its surface.
        material: what it is made of.
        shadow: length of the shadow it throws, in pixels.
        number: its own.
    """
    points = np.concatenate(rings)
    margin = int(shadow) + 3
    size = owner.shape
    left, top = (max(int(np.floor(v)) - margin, 0) for v in points.min(axis=0))
    right, bottom = (
        min(int(np.ceil(v)) + margin, side)
        for v, side in zip(points.max(axis=0), (size[1], size[0]), strict=True)
    )
    if right - left < 3 or bottom - top < 3:
        return
    local = tuple(ring - (left, top) for ring in rings)
    window = (bottom - top, right - left)
    mask = _filled(local, window)
    fine = _filled(tuple(ring * FINE for ring in local), (window[0] * FINE, window[1] * FINE))
    cover = fine.reshape(window[0], FINE, window[1], FINE).mean(axis=(1, 3), dtype=np.float32)
    view = canvas[top:bottom, left:right]
    if shadow >= 1:
        reach = 0.4 * shadow
        away = (-round(reach * np.sin(material.light)), -round(reach * np.cos(material.light)))
        shifted = shift(cover, away, order=0)
        view *= 1 - dice.uniform(0.3, 0.8) * gaussian_filter(shifted, max(0.25 * shadow, 0.5))[..., None]
    if mask.any():
        skin = surface(mask, dice, material)
        view += cover[..., None] * (skin - view)
        owner[top:bottom, left:right][mask] = number


def developed(canvas: Floats, dice: Dice, *, grey: bool) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: uneven light, a camera's blur and noise, scratches and dark corners now and then."""
    size = canvas.shape[:2]
    if dice.random() < 0.6:
        light = (
            1 + 0.5 * dice.random() * slope(size, dice) + 0.15 * dice.random() * clouds(size, dice, octaves=2)
        )
        canvas = canvas * light[..., None]
    if dice.random() < 0.3:
        rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
        away = np.maximum(rows**2, columns**2) + dice.uniform(0, 1) * np.minimum(rows**2, columns**2)
        canvas = canvas * (1 - dice.uniform(0.2, 0.9) * np.clip(away - dice.uniform(0.5, 1), 0, 1))[..., None]
    if dice.random() < 0.25:
        scratch(canvas, dice)
    blur = dice.choice([0.0, 1.0]) * dice.uniform(0.3, 1.0)
    if blur:
        canvas = gaussian_filter(canvas, (blur, blur, 0))
    noise = dice.choice([0.0, 1.0, 1.0]) * dice.uniform(0, 0.04)
    canvas = canvas + noise * dice.standard_normal(
        (*size, 1 if grey or dice.random() < 0.5 else 3), np.float32
    )
    canvas = np.clip(canvas, 0, 1) ** dice.uniform(0.75, 1.3)
    if grey:
        canvas = np.repeat((canvas @ LUMA)[..., None], 3, axis=2)
    return np.asarray(canvas * 255 + 0.5, np.uint8)


def scratch(canvas: Floats, dice: Dice) -> None:
    """Thin lines and specks that are nothing."""
    height, width, _ = canvas.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(dice.integers(1, 4))):
        angle, offset = dice.uniform(0, np.pi), dice.uniform(0.2, 0.8)
        across = (columns - offset * width) * np.sin(angle) - (rows - offset * height) * np.cos(angle)
        across += dice.uniform(-0.002, 0.002) * (columns - width / 2) ** 2
        canvas += dice.uniform(-0.25, 0.25) * np.exp(-((across / dice.uniform(0.6, 1.5)) ** 2))[..., None]
    for _ in range(int(dice.integers(0, 12))):
        y, x = int(dice.integers(height - 2)), int(dice.integers(width - 2))
        canvas[y : y + int(dice.integers(1, 3)), x : x + int(dice.integers(1, 3))] = dice.uniform(0, 1)


def _filled(rings: tuple[Ring, ...], size: tuple[int, int]) -> NDArray[np.bool_]:
    inside, top, left = fill(rings, size)
    mask = np.zeros(size, bool)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask


def _instances(pixels: NDArray[np.uint8], owner: NDArray[np.int16], labels: list[int]) -> Instances:
    kept = [i for i in range(len(labels)) if int((owner == i).sum()) >= SMALLEST]
    size = owner.shape[0], owner.shape[1]
    masks = Masks.from_dense(np.stack([owner == i for i in kept])) if kept else Masks.empty(size)
    return Instances(
        size=size,
        boxes=masks.bounds().float(),
        labels=torch.tensor([labels[i] for i in kept], dtype=torch.int64),
        masks=masks,
        names=CLASSES,
        picture=Picture(pixels=torch.from_numpy(np.moveaxis(pixels, 2, 0).copy())),
    )
