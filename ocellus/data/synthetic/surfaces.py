"""Surfaces of things: embossed, grooved, rough or smooth, with rims, seen in light from one side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from ocellus.data.synthetic.textures import Dice, Floats, clouds, texture, tint


def surface(mask: NDArray[np.bool_], dice: Dice, material: Material) -> Floats:
    """(h, w, 3) what a thing looks like inside its window, before it is cut out along its outline.

    Args:
        mask: (h, w) bool, the thing's own pixels.
        dice: what is on this one thing.
        material: what it shares with others.
    """
    depth = distance_transform_edt(mask).astype(np.float32)  # pixels to the outline
    radius = max(float(depth.max()), 1.0)
    height = relief(mask.shape, depth / radius, dice, material) * radius
    down, across = np.gradient(height)
    # Lambert's law for a shallow relief: brighter where it faces the light.
    light = -(across * np.cos(material.light) + down * np.sin(material.light))
    shade = np.tanh(material.emboss * light)
    values = material.lightness * dice.uniform(0.85, 1.15) * (1 + shade * 0.6)
    values = values * (1 - material.edge * np.exp(-((depth / 1.2) ** 2)))
    values = values + material.grain * dice.standard_normal(mask.shape, np.float32)
    paint = material.paint if dice.random() < 0.8 else tint(material.lightness, material.color, dice)
    colored = values[..., None] * (paint / max(material.lightness, 1e-3))
    if material.gloss:
        colored = colored + material.gloss * highlight(mask.shape, dice, material.light)[..., None]
    return np.asarray(np.clip(colored, 0, 1.2), np.float32)


class Material:
    """What the things of a scene may share: paint, light, how deep they are embossed."""

    def __init__(self, dice: Dice, *, ground: float, color: float, light: float) -> None:
        self.light = light
        self.color = color
        contrast = dice.uniform(0.12, 0.6)
        brighter, darker = ground + contrast, ground - contrast
        up = dice.random() < 0.65 if brighter < 0.95 and darker > 0.08 else brighter < 0.95
        self.lightness = float(np.clip(brighter if up else darker, 0.06, 0.95))
        self.paint = tint(self.lightness, color, dice)
        self.emboss = dice.choice([0.0, 1.0, 1.0, 1.0]) * 2 ** dice.uniform(-1, 2.2)
        self.edge = dice.choice([0.0, 1.0]) * dice.uniform(-0.4, 0.6)
        self.grain = dice.choice([0.0, 1.0]) * dice.uniform(0, 0.06)
        self.gloss = dice.choice([0.0, 0.0, 1.0]) * dice.uniform(0.1, 0.5)
        self.styles = dice.dirichlet(np.full(5, 0.5))
        self.rim = dice.choice([0.0, 1.0]) * dice.uniform(0.03, 0.15)
        self.dome = dice.choice([0.0, 1.0]) * dice.uniform(0, 0.5)


def relief(size: tuple[int, ...], depth: Floats, dice: Dice, material: Material) -> Floats:
    """(h, w) height of the surface in radii.

    Args:
        size: (h, w).
        depth: (h, w) distance to the outline, 1 in the middle.
        dice: what is on this one thing.
        material: the mixture of styles, the rim and the dome.
    """
    rows, columns = size
    style = int(dice.choice(5, p=material.styles))
    strength = 2 ** dice.uniform(-1.5, 0.5)
    window = (rows, columns)
    if style == 0:  # figures, as on coins, seals and buttons
        height = figures(window, dice) * 0.2
    elif style == 1:  # rough, like stone
        height = clouds(window, dice, coarsest=int(dice.integers(2, 8))) * 0.05
    elif style == 2:
        height = texture(window, dice) * 0.04
    elif style == 3:  # grooves along the outline
        height = np.cos(depth * dice.uniform(8, 25)) * 0.05
    else:
        height = np.zeros(window)
    height = height * strength
    if material.rim:
        height = height * (depth > 1.5 * material.rim)
        height = height + 0.12 * np.exp(-(((depth - material.rim) / material.rim) ** 2))
    height = height + material.dome * np.sqrt(np.clip(1 - (1 - depth) ** 2, 0, 1))
    return np.asarray(gaussian_filter(height, 0.6), np.float32)


def figures(size: tuple[int, int], dice: Dice) -> Floats:
    """(h, w) a heap of soft lumps, bows and strokes, 0 to about 1."""
    rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j].astype(np.float32)
    total = np.zeros(size, np.float32)
    for _ in range(int(dice.integers(4, 12))):
        x, y = dice.uniform(-0.6, 0.6, 2)
        angle, bend = dice.uniform(0, 2 * np.pi), dice.uniform(-1.5, 1.5)
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        aside = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle) + bend * along**2
        length, width = dice.uniform(0.15, 0.7), dice.uniform(0.04, 0.25)
        lump = np.exp(-((along / length) ** 4) - (aside / width) ** 2)
        total = np.maximum(total, dice.uniform(0.4, 1.0) * lump)
    return total


def highlight(size: tuple[int, ...], dice: Dice, light: float) -> Floats:
    """(h, w) a soft bright spot towards the light."""
    rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j].astype(np.float32)
    away = dice.uniform(0.2, 0.6)
    x, y = away * np.cos(light), away * np.sin(light)
    return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / dice.uniform(0.02, 0.2)), np.float32)
