"""What is measured in a chest X-ray whose lungs and heart are known. Not a medical device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ocellus.errors import OcellusError
from ocellus.values import Segmentation

SPECKLE = 0.2
"""A patch smaller than this share of a structure's largest is left out of its width."""


@dataclass(frozen=True, kw_only=True)
class Organs:
    """What is measured in one X-ray; lengths and areas in pixels of the picture.

    Args:
        areas: pixels of the left lung (the patient's), the right lung and the heart.
        shares: the same as shares of the picture.
        heart: (left, right, row) from the heart's leftmost to its rightmost border, which may lie in
            different rows, as radiologists add up both sides; the row is that in which it is widest.
        thorax: (left, right, row) from the outer border of one lung to that of the other, in the row where
            that is widest.
        middles: x and y of each one's centre.
        mirrored: the patient's left lung lies on the left of the picture; in frontal ones it lies right.
    """

    areas: dict[str, int]
    shares: dict[str, float]
    heart: tuple[int, int, int]
    thorax: tuple[int, int, int]
    middles: dict[str, tuple[float, float]]
    mirrored: bool

    @property
    def ratio(self) -> float:
        """The cardiothoracic ratio: the heart's width over the thorax's."""
        return (self.heart[1] - self.heart[0]) / (self.thorax[1] - self.thorax[0])


def measure(found: Segmentation, labels: dict[str, int], *, name: str = "the picture") -> Organs:
    """Areas, widths and the side of the left lung.

    Args:
        found: every pixel's class.
        labels: of "left lung", "right lung" and "heart".
        name: of the picture, for errors.

    Raises:
        OcellusError: a structure is not in the picture.
    """
    pixels = found.labels.cpu().numpy()
    masks = {part: without_speckles(pixels == label) for part, label in labels.items()}
    if missing := [part for part, mask in masks.items() if not mask.any()]:
        there = ", ".join(part for part in masks if part not in missing) or "none of the three"
        raise OcellusError(
            f"{name}: no {' and no '.join(missing)} found (found: {there}); the cardiothoracic ratio wants a "
            "frontal X-ray of the whole chest"
        )
    areas = {part: int(mask.sum()) for part, mask in masks.items()}
    places = {part: np.nonzero(mask) for part, mask in masks.items()}
    middles = {part: (float(x.mean()), float(y.mean())) for part, (y, x) in places.items()}
    columns = np.nonzero(masks["heart"].any(axis=0))[0]
    _, _, row = widest(masks["heart"])
    return Organs(
        areas=areas,
        shares={part: area / pixels.size for part, area in areas.items()},
        heart=(int(columns[0]), int(columns[-1]) + 1, row),
        thorax=widest(masks["left lung"] | masks["right lung"]),
        middles=middles,
        mirrored=middles["left lung"][0] < middles["right lung"][0],
    )


def widest(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """(left, right, row): the row whose first and last pixels of a mask are farthest apart."""
    width = mask.shape[1]
    filled = mask.any(axis=1)
    left = np.where(filled, mask.argmax(axis=1), 0)
    right = np.where(filled, width - mask[:, ::-1].argmax(axis=1), 0)
    row = int((right - left).argmax())
    return int(left[row]), int(right[row]), row


def without_speckles(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask's patches that are not small beside its largest."""
    patches, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(patches.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= SPECKLE * sizes.max())[patches]
    return kept
