"""Random pictures that provoke the metric's corners: ties, crowds, empty sides, blank objects, borders."""

from __future__ import annotations

import numpy as np
import torch

from ocellus.values import Instances, Masks

SIZE = (120, 160)


def boxes(random: np.random.Generator, count: int) -> np.ndarray:
    height, width = SIZE
    side = np.exp(random.uniform(np.log(4), np.log(110), (count, 2)))
    corner = random.uniform(-5, 1, (count, 2)) + random.uniform(0, 1, (count, 2)) * (
        np.array([width, height]) - side / 2
    )
    found = np.concatenate((corner, corner + side), 1)
    # Whole numbers make overlaps of exactly 0.5 and 0.75, and equal areas at the borders of the ranges.
    return np.where(random.random((count, 1)) < 0.5, found.round(), found).clip(0).astype(np.float32)


def masks(random: np.random.Generator, outlines: np.ndarray) -> Masks:
    """Boxes, ellipses, frames with a hole, two parts, and nothing."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    found = np.zeros((len(outlines), *SIZE), bool)
    for index, (x1, y1, x2, y2) in enumerate(outlines):
        inside = (columns >= x1) & (columns < x2) & (rows >= y1) & (rows < y2)
        radius = ((columns - (x1 + x2) / 2) / (x2 - x1 + 1)) ** 2 + (
            (rows - (y1 + y2) / 2) / (y2 - y1 + 1)
        ) ** 2
        shape = random.integers(0, 10)
        if shape < 4:
            found[index] = inside
        elif shape < 7:
            found[index] = radius < 0.25
        elif shape < 8:
            found[index] = inside & (radius > 0.04)
        elif shape < 9:
            found[index] = inside & (abs(columns - (x1 + x2) / 2) > 3)
    return Masks.from_dense(found)


def points(random: np.random.Generator, outlines: np.ndarray, count: int) -> np.ndarray:
    side = outlines[:, None, 2:] - outlines[:, None, :2]
    place = outlines[:, None, :2] + side * random.uniform(0, 1, (len(outlines), count, 2))
    return np.concatenate((place, random.integers(0, 3, (len(outlines), count, 1))), 2).astype(np.float32)


def picture(
    random: np.random.Generator, *, classes: int, keypoints: int, most: int, areas: bool = True
) -> tuple[Instances, Instances]:
    """A prediction and a truth; the last class has no truth, the one before no prediction."""
    count = int(random.integers(0, most)) * int(random.random() < 0.85)
    outline = boxes(random, count)
    labels = random.integers(0, max(classes - 1, 1), count)
    truth_points = points(random, outline, keypoints)
    truth_points[random.random(count) < 0.15, :, 2] = 0
    shape = masks(random, outline)
    annotated = shape.areas().numpy() * random.choice([1, 0.9, 0.2], count)
    annotated = np.where(random.random(count) < 0.1, random.choice([1024.0, 9216.0], count), annotated)
    truth = Instances(
        size=SIZE,
        boxes=torch.from_numpy(outline),
        labels=torch.from_numpy(labels),
        masks=shape,
        keypoints=torch.from_numpy(truth_points),
        crowd=torch.from_numpy(random.random(count) < 0.12),
        areas=torch.from_numpy(annotated.astype(np.float32)) if areas else None,
    )
    again = np.flatnonzero(random.random(count) < 0.8)
    again = np.concatenate((again, again[random.random(len(again)) < 0.4]))
    stray = int(random.integers(0, most)) * int(random.random() < 0.8)
    jitter = random.choice([0.0, 1.0, 4.0], (len(again), 1)) * random.normal(0, 1, (len(again), 4))
    moved = (outline[again] + jitter).astype(np.float32)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    near = truth_points[again].copy()
    near[:, :, :2] += random.choice([0.0, 1.0, 6.0], (len(again), 1, 1)) * random.normal(
        0, 1, near[:, :, :2].shape
    )
    other = boxes(random, stray)
    found = np.concatenate((moved, other))
    guessed = np.concatenate((labels[again], random.integers(0, classes, stray)))
    guessed[guessed == classes - 2] = 0
    order = random.permutation(len(found))
    prediction = Instances(
        size=SIZE,
        boxes=torch.from_numpy(found[order]),
        labels=torch.from_numpy(guessed[order]),
        scores=torch.from_numpy((random.integers(0, 12, len(found)) / 11).astype(np.float32)),
        masks=masks(random, found[order]),
        keypoints=torch.from_numpy(np.concatenate((near, points(random, other, keypoints)))[order]),
    )
    return prediction, truth


def pictures(
    seed: int, *, count: int, classes: int, keypoints: int, most: int, areas: bool = True
) -> list[tuple[Instances, Instances]]:
    random = np.random.default_rng(seed)
    return [
        picture(random, classes=classes, keypoints=keypoints, most=most, areas=areas) for _ in range(count)
    ]
