"""Masks as the polygons that a format reads back to the same pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ocellus.data.instances import LEAST_POINTS, odd_rings
from ocellus.values import Instances, Masks
from ocellus.values.rings import Ring

Rasterise = Callable[[list[Ring], tuple[int, int]], NDArray[np.int32]]


def drawn_rings(masks: Masks, index: int, rasterise: Rasterise) -> list[Ring] | None:
    """The polygons a mask was drawn as, where a format's way of filling them gives the mask; or None."""
    known = masks.polygons[index] if masks.polygons else None
    if not known or any(len(ring) < LEAST_POINTS for ring in known):
        return None
    same = rasterise(list(known), masks.size)
    return list(known) if np.array_equal(same, masks.run_lengths(index)) else None


def odd_outline(masks: Masks, index: int) -> list[Ring]:
    """Rings of which an odd number enclose the mask's pixels: as drawn, else along pixel borders."""
    return drawn_rings(masks, index, odd_rings) or list(masks.outlines(index))


def one_ring(outline: list[Ring]) -> Ring:
    """Several rings as one, joined by seams of no width: even-odd filling gives the same.

    Each ring is entered from the nearest point before, walked around, and left the way it was entered.
    """
    joined = outline[0]
    for ring in outline[1:]:
        distances, nearest = cKDTree(joined).query(ring)
        entry = int(np.argmin(distances))
        at = int(nearest[entry])
        around = np.roll(ring, -entry, axis=0)
        joined = np.concatenate((joined[: at + 1], around, around[:1], joined[at:]))
    return joined


def extent_differs(instances: Instances, index: int, outline: list[Ring]) -> bool:
    """Whether an object's box is another than the extent of its rings, by more than rounding."""
    points = np.concatenate(outline)
    extent = np.concatenate((points.min(axis=0), points.max(axis=0)))
    return bool(np.abs(instances.boxes[index].numpy() - extent).max() > 1e-3)


def area_differs(instances: Instances) -> int:
    """How many annotated areas are another than what follows from mask or box, by more than rounding."""
    if instances.areas is None:
        return 0
    sides = instances.boxes[:, 2:] - instances.boxes[:, :2]
    own = sides.prod(dim=1)
    if instances.masks is not None:
        pixels = instances.masks.areas()
        own = pixels.to(own.dtype).where(pixels > 0, own)
    return int(((instances.areas - own).abs() > 0.01 + 1e-5 * own.abs()).sum())


def short(values: Tensor) -> list[float]:
    """(...) float32 values, flat, as the shortest decimals that give them back: 376.64, not 376.6400146."""
    return [float(str(value)) for value in values.detach().cpu().numpy().astype(np.float32).ravel()]
