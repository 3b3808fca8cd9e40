"""The strongest places of a layer's units over any number of pictures, a fixed number of which are kept."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Strongest(NamedTuple):
    """The best entries of each unit so far, the best first.

    Of equal scores the earlier picture stands first, and in a picture the upper, then the left place, so that
    the order does not depend on how pictures were batched.
    """

    scores: Tensor  # (C, k) float32; -inf where there is none yet
    pictures: Tensor  # (C, k) int64, the picture's number; -1 where there is none yet
    places: Tensor  # (C, k) int64, row times the map's width plus column


def no_entries(units: int, top: int) -> Strongest:
    """Of so many units none yet."""
    none = torch.full((units, top), -1, dtype=torch.int64)
    return Strongest(torch.full((units, top), float("-inf")), none, none.clone())


def with_picture(found: Strongest, maps: Tensor, number: int) -> Strongest:
    """The best entries after one more picture; it has one place of each unit at most.

    Args:
        found: those before.
        maps: (C, h, w) of the picture. A map that is everywhere the same has no strongest place.
        number: of the picture; larger than those before.
    """
    flat = maps.detach().float().cpu().flatten(1)
    flat = flat.masked_fill(flat.isnan(), float("-inf"))
    places = flat.argmax(dim=1)  # the first of several
    scores = flat.gather(1, places[:, None])[:, 0]
    scores = scores.masked_fill(scores <= flat.amin(dim=1), float("-inf"))
    joined = torch.cat([found.scores, scores[:, None]], dim=1)
    # Stable: what stood first goes on standing first among equals.
    order = joined.argsort(dim=1, descending=True, stable=True)[:, : found.scores.shape[1]]
    numbers = torch.where(scores.isfinite(), number, -1)
    return Strongest(
        joined.gather(1, order),
        torch.cat([found.pictures, numbers[:, None]], dim=1).gather(1, order),
        torch.cat([found.places, places[:, None]], dim=1).gather(1, order),
    )
