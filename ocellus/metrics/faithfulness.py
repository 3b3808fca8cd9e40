"""Whether an explanation foretells what a change does, and whether it stays when next to nothing changes.

Both are of Yeh 2019 (arXiv:1901.09392), and as captum's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.explanations import Scores


def infidelity(scores: Scores, image: Tensor, values: Tensor, changes: Tensor, *, batch: int = 32) -> float:
    """How badly a map foretells changes of the answer, as a share of how large they are (definition 2.1).

    With I a change, x the picture, f the answer and Φ the map: the mean of (b I·Φ - (f(x) - f(x - I)))² over
    the changes, over the mean of (f(x) - f(x - I))². The unit of a map is its own; b is the factor that makes
    the error least (section 2.2). 0: it foretells all; 1: nothing.

    Args:
        scores: (B, C, h, w) -> (B,) answers, for B up to `batch`.
        image: (1, C, h, w).
        values: (h, w) the map; each channel's change counts alike.
        changes: (N, C, h, w), what is taken from the picture, as `squares` gives it.
        batch: pictures that are asked about together.

    Returns:
        nan where no change changes the answer.

    Raises:
        OcellusError: a map or changes of another size than the picture. Exit code 2.
    """
    if image.shape[2:] != values.shape or changes.shape[1:] != image.shape[1:]:
        message = f"a map {tuple(values.shape)} and changes {tuple(changes.shape)}"
        raise OcellusError(f"{message} for a picture {tuple(image.shape)}: wanted is one size", exit_code=2)
    with torch.no_grad():
        whole = scores(image).double()
        found = torch.cat([whole - scores(image - part).double() for part in torch.split(changes, batch)])
    told = (changes.double() * values.double()).flatten(1).sum(dim=1)
    scale = (told * found).mean() / told.square().mean().clamp(min=1e-300)
    size = found.square().mean()
    return float((scale * told - found).square().mean() / size) if size > 0 else float("nan")


def squares(image: Tensor, *, count: int = 64, side: int = 0, seed: int = 0) -> Tensor:
    """Changes that remove a square of a picture each: what is black there afterwards (section 2.3).

    Args:
        image: (1, C, h, w).
        count: N.
        side: of the squares, in pixels; 0: a quarter of the picture's longer side.
        seed: of their places.

    Returns:
        (N, C, h, w): the picture inside a square, and 0 around it.
    """
    height, width = image.shape[2:]
    side = min(side or max(max(height, width) // 4, 1), height, width)
    dice = torch.Generator().manual_seed(seed)
    tops = torch.randint(height - side + 1, (count, 1, 1, 1), generator=dice)
    lefts = torch.randint(width - side + 1, (count, 1, 1, 1), generator=dice)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    inside = (rows >= tops) & (rows < tops + side) & (columns >= lefts) & (columns < lefts + side)
    return image * inside.to(image.device)


def sensitivity(
    explain: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    radius: float = 0.02,
    count: int = 10,
    seed: int = 0,
) -> float:
    """How much a map changes at most where the picture hardly does, as a share of its norm (definition 2.2).

    Args:
        explain: (1, C, h, w) -> map, of the same answer each time.
        image: (1, C, h, w).
        radius: each value of the picture changes by at most this.
        count: changed pictures that are tried.
        seed: of the changes.

    Returns:
        0: it does not change; 1: by as much as there is of it.
    """
    dice = torch.Generator().manual_seed(seed)
    before = explain(image).double()
    norm = before.norm().clamp(min=1e-300)
    worst = 0.0
    for _ in range(count):
        noise = (2 * torch.rand(image.shape, generator=dice) - 1).to(image) * radius
        worst = max(worst, float((explain(image + noise).double() - before).norm() / norm))
    return worst
