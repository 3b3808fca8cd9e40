"""Counting coins by hand-made places."""

from __future__ import annotations

import torch

from ocellus.jobs.photographs import COINS, VIEWS, Place, coins_found, photograph
from ocellus.values import Instances


def discs(places: tuple[Place, ...], size: tuple[int, int], *, label: int = 0) -> Instances:
    boxes = torch.tensor([[x - r, y - r, x + r, y + r] for x, y, r in places]).reshape(-1, 4)
    return Instances(
        size=size,
        boxes=boxes,
        labels=torch.full((len(places),), label),
        scores=torch.linspace(0.9, 0.6, len(places)),
        names=("disc", "ring"),
    )


def test_a_perfect_answer() -> None:
    for change in VIEWS.values():
        picture, places = change(photograph("coins"), COINS)
        assert coins_found(discs(places, picture.size), places) == (24, 0)


def test_what_is_false() -> None:
    one = (Place(50, 50, 20),)
    size = (100, 100)
    assert coins_found(discs((), size), one) == (0, 0)
    assert coins_found(discs((Place(50, 50, 20), Place(51, 50, 20)), size), one) == (1, 1)  # twice the same
    assert coins_found(discs((Place(61, 50, 20),), size), one) == (0, 1)  # beside it
    assert coins_found(discs((Place(50, 50, 41),), size), one) == (0, 1)  # too large
    assert coins_found(discs((Place(50, 50, 9),), size), one) == (0, 1)  # too small
    assert coins_found(discs((Place(50, 50, 20),), size, label=1), one) == (0, 1)  # a ring
    assert coins_found(discs((Place(50, 50, 20), Place(80, 80, 9)), size), one) == (1, 1)


def test_the_places_are_where_it_is_brighter() -> None:
    """In every view a coin stands out from the ground around it, and less so from half a coin beside it."""
    for change in VIEWS.values():
        picture, places = change(photograph("coins"), COINS)
        grey = picture.pixels.float().mean(dim=0)
        rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in picture.size), indexing="ij")

        def contrast(x: float, y: float, radius: float) -> float:
            away = torch.hypot(columns - x, rows - y) / radius  # noqa: B023
            around = grey[(away > 1.1) & (away < 1.3)]  # noqa: B023
            return float(grey[away < 0.9].mean() - around.mean())  # noqa: B023

        for x, y, radius in places:
            here = contrast(x, y, radius)
            half = 0.5 * radius
            beside = [
                contrast(x + a, y + b, radius) for a, b in ((half, 0), (-half, 0), (0, half), (0, -half))
            ]
            assert here > 25 and here > max(beside) + 5
