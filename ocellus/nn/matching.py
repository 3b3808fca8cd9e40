"""Which object each reference box (anchor, proposal) is compared with in training."""

from __future__ import annotations

import torch
from torch import Tensor

from ocellus.nn.boxes import areas, intersections, iou

BACKGROUND = -1
IGNORED = -2


def match(
    references: Tensor, objects: Tensor, *, crowd: Tensor, high: float, low: float, best: bool = False
) -> Tensor:
    """The object of every reference box (Ren 2015, arXiv:1506.01497, section 3.1.2).

    Args:
        references: (A, 4).
        objects: (N, 4).
        crowd: (N,) bool, regions of many objects: never a match; a reference box that lies in one by half or
            more, and is no match otherwise, is ignored.
        high: overlap from which a box is a match.
        low: overlap below which it is background; between the two it is ignored.
        best: an object's best boxes are a match whatever their overlap, as long as there is any.

    Returns:
        (A,) int64 index of an object, BACKGROUND or IGNORED.
    """
    matches = references.new_full((len(references),), BACKGROUND, dtype=torch.int64)
    single = torch.nonzero(~crowd)[:, 0]
    if len(single):
        overlap = iou(objects[single], references)  # (N, A)
        value, nearest = overlap.max(dim=0)
        nearest = single[nearest]
        matches[value >= low] = IGNORED
        matches = torch.where(value >= high, nearest, matches)
        if best:
            most = overlap.amax(dim=1, keepdim=True)
            favourite = ((overlap == most) & (most > 0)).any(dim=0)
            matches = torch.where(favourite, nearest, matches)
    if bool(crowd.any()):
        covered = intersections(objects[crowd], references).amax(dim=0) / areas(references).clamp(min=1e-12)
        matches = torch.where((covered >= 0.5) & (matches < 0), IGNORED, matches)
    return matches


def balanced(
    matches: Tensor, *, count: int, positive: float, generator: torch.Generator | None = None
) -> Tensor:
    """A random choice of matches and background.

    Args:
        matches: (A,) as `match` returns them.
        count: how many to choose, fewer where there are fewer.
        positive: largest share of matches among them; background fills up.
        generator: of random numbers on the CPU.

    Returns:
        (S,) int64 indices, matches first.
    """
    matched = torch.nonzero(matches >= 0)[:, 0]
    matched = _some(matched, int(count * positive), generator)
    rest = torch.nonzero(matches == BACKGROUND)[:, 0]
    return torch.cat([matched, _some(rest, count - len(matched), generator)])


def _some(indices: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    order = torch.randperm(len(indices), generator=generator)[:count]
    return indices[order.to(indices.device)]
