"""Anchors: the boxes that region proposals start from (Ren 2015, arXiv:1506.01497, section 3.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def cell_anchors(size: float, ratios: Sequence[float], *, whole: bool) -> Tensor:
    """(A, 4) anchors around the origin, one for each ratio of height to width, of area size * size.

    Args:
        size: side of the square anchor in pixels.
        ratios: heights over widths.
        whole: round the corners to whole pixels.
    """
    roots = torch.tensor(ratios, dtype=torch.float32).sqrt()
    half = torch.stack([size / roots, size * roots], dim=1) / 2  # (A, 2) width, height
    anchors = torch.cat([-half, half], dim=1)
    return anchors.round() if whole else anchors


def grid_anchors(
    grids: Sequence[tuple[int, int]],
    canvas: tuple[int, int],
    *,
    sizes: Sequence[float],
    ratios: Sequence[float],
    whole: bool,
    device: torch.device | None = None,
) -> list[Tensor]:
    """The anchors of every level of a pyramid.

    Args:
        grids: (h, w) of each level.
        canvas: (H, W) of the padded picture.
        sizes: side of the square anchor of each level, in pixels.
        ratios: heights over widths.
        whole: torchvision's convention: corners rounded to whole pixels, and spaced by the canvas over the
            grid, rounded down (a level of 13 rows over 800 pixels has them 61 apart). Otherwise detectron2's:
            exact, and spaced by the level's stride of 4, 8, 16...

    Returns:
        (h * w * A, 4) for each level, ordered by row, column, ratio.
    """
    levels = []
    for index, ((rows, columns), size) in enumerate(zip(grids, sizes, strict=True)):
        exact = 4 << index
        step_y, step_x = (canvas[0] // rows, canvas[1] // columns) if whole else (exact, exact)
        y = torch.arange(rows, device=device, dtype=torch.float32) * step_y
        x = torch.arange(columns, device=device, dtype=torch.float32) * step_x
        y, x = torch.meshgrid(y, x, indexing="ij")
        shifts = torch.stack([x, y, x, y], dim=-1)  # (h, w, 4)
        cell = cell_anchors(size, ratios, whole=whole).to(shifts)
        levels.append((shifts[:, :, None] + cell).reshape(-1, 4))
    return levels
