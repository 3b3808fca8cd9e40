"""A weight for every pixel that makes a network learn the gaps between touching objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ocellus.values.segmentation import IGNORED


def border_weights(
    label_map: NDArray[np.uint8], *, weight: float = 10.0, sigma: float = 5.0, balance: bool = True
) -> NDArray[np.float32]:
    """w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))² / 2σ²) (Ronneberger 2015, arXiv:1505.04597, equation 2).

    d1 and d2 are the distances in pixels from a background pixel to the nearest and to the second nearest
    object; an object is what is connected (by a side) of one class other than 0. The second term is for
    background pixels alone, and 0 where there are fewer than two objects.

    Args:
        label_map: (H, W) class indices, 0 the background between objects, 255 where nothing is annotated.
        weight: w0.
        sigma: σ in pixels.
        balance: w_c makes every class of the map weigh the same in sum, 1 on average; otherwise it is 1.

    Returns:
        (H, W) float32; 0 where nothing is annotated.
    """
    known = label_map != IGNORED
    weights = np.ones(label_map.shape, np.float32)
    if balance:
        counts = np.bincount(label_map[known], minlength=IGNORED + 1)
        shares = known.sum() / np.maximum(counts * np.count_nonzero(counts), 1)
        weights = shares[label_map].astype(np.float32)
    if weight:
        objects = separated(label_map)
        if objects.max() > 1:
            nearest, second = two_distances(objects)
            gap = weight * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
            weights += np.where(label_map == 0, gap, 0).astype(np.float32)
    weights[~known] = 0
    return weights


def separated(label_map: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H, W) the number of the object that each pixel is of, from 1; 0 for the background and unknown."""
    objects = np.zeros(label_map.shape, np.int32)
    count = 0
    for label in np.unique(label_map):
        if label in (0, IGNORED):
            continue
        parts, found = ndimage.label(label_map == label)
        objects[parts > 0] = parts[parts > 0] + count
        count += found
    return objects


def two_distances(objects: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far the nearest and the second nearest object are from each pixel.

    Any other object than the nearest has a number that differs from its in some binary digit. So for each
    digit the distance to all objects with the other digit is measured, and the least of them is that to the
    second: twice as many distance transforms as digits, however many objects there are.

    Args:
        objects: (H, W) numbers of objects from 1, at least two of them; 0 elsewhere.

    Returns:
        (H, W) and (H, W) distances between centres of pixels.
    """
    nearest, place = ndimage.distance_transform_edt(objects == 0, return_indices=True)
    owner = objects[tuple(place)]
    second = np.full(objects.shape, np.inf)
    for digit in range(int(objects.max()).bit_length()):
        digits = objects >> digit & 1
        for value in (0, 1):
            there = (objects > 0) & (digits == value)
            if there.any():
                away = ndimage.distance_transform_edt(~there)
                np.minimum(second, away, out=second, where=(owner >> digit & 1) != value)
    return nearest, second
