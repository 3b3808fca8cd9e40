"""Outlines of things, about the origin, no point farther from it than 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ocellus.values.rings import Ring

Dice = np.random.Generator
POINTS = 64  # of a round outline


def outline(kind: str, dice: Dice) -> tuple[Ring, ...]:
    """The rings of one thing, turned at random; a second ring is a hole.

    Args:
        kind: one of `KINDS`.
        dice: decides its proportions.
    """
    rings = KINDS[kind](dice)
    angle = dice.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reach = max(float(np.hypot(*ring.T).max()) for ring in rings)
    return tuple(ring @ turn / reach for ring in rings)


def _disc(dice: Dice) -> tuple[Ring, ...]:
    """Round, or nearly: worn, a little oval, with a flat side here and there."""
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    radius = np.ones(POINTS)
    for wave in range(2, 8):
        radius += (
            dice.normal(0, 0.02 / wave**0.5)
            * np.cos(wave * angle + dice.uniform(0, 6.3))
            * (dice.random() < 0.6)
        )
    for _ in range(dice.poisson(0.7)):
        distance = dice.uniform(0.86, 0.99)
        facing = np.cos(angle - dice.uniform(0, 2 * np.pi))
        radius = np.where(facing > 0.2, np.minimum(radius, distance / np.maximum(facing, 0.2)), radius)
    squeeze = dice.uniform(0.86, 1.0)
    return (np.stack([radius * np.cos(angle), squeeze * radius * np.sin(angle)], axis=1),)


def _ring(dice: Dice) -> tuple[Ring, ...]:
    (outer,) = _disc(dice)
    share = dice.uniform(0.35, 0.7)
    return outer, outer * share + dice.uniform(-0.06, 0.06, 2) * (1 - share)


def _box(dice: Dice) -> tuple[Ring, ...]:
    width, height = 1.0, dice.uniform(0.4, 1.0)
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]])
    return (_rounded(corners, dice),)


def _triangle(dice: Dice) -> tuple[Ring, ...]:
    angle = np.arange(3) * 2 * np.pi / 3 + dice.uniform(-0.3, 0.3, 3)
    return (_rounded(np.stack([np.cos(angle), np.sin(angle)], axis=1), dice),)


def _star(dice: Dice) -> tuple[Ring, ...]:
    points = int(dice.integers(5, 8))
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, dice.uniform(0.4, 0.6), 1.0)
    return (_rounded(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), dice),)


def _cross(dice: Dice) -> tuple[Ring, ...]:
    arm, width, height = dice.uniform(0.22, 0.4), 1.0, dice.uniform(0.8, 1.0)
    quarter = [(width, arm), (arm, arm), (arm, height)]
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    corners = []
    for turn, (x, y) in enumerate(signs):
        corners += [(x * a, y * b) for a, b in (quarter if turn % 2 == 0 else quarter[::-1])]
    return (_rounded(np.array(corners), dice),)


def _rounded(corners: NDArray[np.float64], dice: Dice) -> Ring:
    """Corners cut off two times over (Chaikin's scheme), or left sharp."""
    ring = corners
    cut = dice.uniform(0.03, 0.11)
    for _ in range(0 if dice.random() < 0.4 else 3):
        following = np.roll(ring, -1, axis=0)
        ring = np.stack([ring + cut * (following - ring), following - cut * (following - ring)], axis=1)
        ring = ring.reshape(-1, 2)
        cut = 0.25
    return ring


KINDS: dict[str, Callable[[Dice], tuple[Ring, ...]]] = {
    "disc": _disc,
    "ring": _ring,
    "box": _box,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
}
