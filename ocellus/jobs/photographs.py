"""Real photographs that scikit-image carries with it, and where the coins lie in one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ocellus.data.images import to_picture
from ocellus.values import Instances, Picture


class Place(NamedTuple):
    """Where a coin lies, in pixels of the photograph."""

    x: float
    y: float
    radius: float


COINS = (
    *(Place(44.3, 53.7, 22), Place(100.3, 56.3, 19), Place(155.7, 51, 23), Place(216, 51, 23)),
    *(Place(275.7, 53, 20), Place(335, 43.7, 29), Place(46, 124.3, 20), Place(103.3, 126, 19)),
    *(Place(154, 127.7, 19), Place(206, 124.7, 20), Place(270.7, 119.3, 25), Place(337, 125, 19)),
    *(Place(44, 197.3, 18), Place(102.3, 195.7, 22), Place(154.7, 198, 19), Place(212.7, 193, 23)),
    *(Place(274, 194.3, 22), Place(347.3, 187, 32), Place(46.7, 260.3, 28), Place(114, 265.7, 21)),
    *(Place(172.7, 261.7, 28), Place(244.3, 263.7, 24), Place(301, 263.7, 25), Place(358.3, 268, 23)),
)
"""The 24 coins of `skimage.data.coins()`, by hand and eye."""


def photograph(name: str) -> Picture:
    """One of scikit-image's photographs: "coins", "coffee"."""
    from skimage import data

    return to_picture(getattr(data, name)())


def turned(picture: Picture, places: tuple[Place, ...]) -> tuple[Picture, tuple[Place, ...]]:
    """A quarter turn counterclockwise."""
    width = picture.size[1]
    pixels = picture.pixels.rot90(1, (1, 2)).contiguous()
    return Picture(pixels=pixels), tuple(Place(y, width - x, radius) for x, y, radius in places)


def smaller(picture: Picture, places: tuple[Place, ...]) -> tuple[Picture, tuple[Place, ...]]:
    """At three quarters of its size, averaged as cameras and viewers do."""
    from PIL import Image

    height, width = (round(side * 0.75) for side in picture.size)
    image = Image.fromarray(np.ascontiguousarray(picture.pixels.permute(1, 2, 0).numpy()))
    small = torch.from_numpy(np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)).copy())
    scaled = tuple(Place(x * 0.75, y * 0.75, radius * 0.75) for x, y, radius in places)
    return Picture(pixels=small.permute(2, 0, 1).contiguous()), scaled


VIEWS: dict[str, Callable[[Picture, tuple[Place, ...]], tuple[Picture, tuple[Place, ...]]]] = {
    "as it is": lambda picture, places: (picture, places),
    "turned by 90 degrees": turned,
    "at 3/4 of its size": smaller,
}
"""The ways in which the photograph of the coins is looked at."""


def coins_found(found: Instances, places: tuple[Place, ...], *, name: str = "disc") -> tuple[int, int]:
    """How many coins were found, and how many detections are false.

    A detection of the class `name` finds a coin that no surer one has found if their centres are less than
    half a radius apart and their sizes within a factor of two; every other detection is false, whatever its
    class.
    """
    rest = list(places)
    order = found.scores.argsort(descending=True).tolist() if found.scores is not None else range(len(found))
    for index in order:
        x1, y1, x2, y2 = found.boxes[index].tolist()
        x, y, radius = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1 + y2 - y1) / 4
        near = [
            place
            for place in rest
            if np.hypot(place.x - x, place.y - y) < place.radius / 2
            and place.radius / 2 < radius < 2 * place.radius
        ]
        if near and found.name(index) == name:
            rest.remove(min(near, key=lambda place: np.hypot(place.x - x, place.y - y)))
    hits = len(places) - len(rest)
    return hits, len(found) - hits
