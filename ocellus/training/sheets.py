"""Sheets of pictures side by side, to look at while a network learns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ocellus.nn.translation import colors_of

GAP = 2
"""White pixels around each picture."""


def sheet_of(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """One picture of many: rows of pictures, each row's aligned to the left, each picture in its cell.

    Args:
        rows: of (C, H, W) floats in [0, 1], of any size and number of channels.

    Returns:
        (3, H, W) float32 in [0, 1].
    """
    cells = [[colors_of(image.detach().float().cpu().clamp(0, 1)) for image in row] for row in rows]
    height = max(cell.shape[1] for row in cells for cell in row) + GAP
    width = max(cell.shape[2] for row in cells for cell in row) + GAP
    columns = max(len(row) for row in cells)
    sheet = torch.ones(3, GAP + height * len(cells), GAP + width * columns)
    for number, row in enumerate(cells):
        for column, cell in enumerate(row):
            top, left = GAP + number * height, GAP + column * width
            sheet[:, top : top + cell.shape[1], left : left + cell.shape[2]] = cell
    return sheet


def in_rows(parts: Sequence[Sequence[Tensor]], *, each: int = 2) -> list[list[Tensor]]:
    """Rows for a sheet: pictures that belong together, so many such parts in a row; the last may be shorter.

    Args:
        parts: of (C, H, W).
        each: parts in a row.
    """
    starts = range(0, len(parts), each)
    return [[image for part in parts[first : first + each] for image in part] for first in starts]
