"""Sheets of what a network makes, a file for each validation: how it learned can be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ocellus.data.images import write_picture
from ocellus.values import Picture

FOLDER = "samples"
"""In a run's folder."""


def write_samples(sheets: Mapping[str, Tensor], folder: Path, *, step: int) -> list[Path]:
    """Write samples/000500.png, or samples/000500-NAME.png where there are several.

    Args:
        sheets: (3, H, W) float in [0, 1], by name.
        folder: of the run.
        step: after which they were made.

    Returns:
        The files.

    Raises:
        OcellusError: one cannot be written.
    """
    written = []
    for name, sheet in sheets.items():
        path = folder / FOLDER / (f"{step:06d}-{name}.png" if len(sheets) > 1 else f"{step:06d}.png")
        pixels = (sheet.detach().float().clamp(0, 1) * 255).round().byte().cpu()
        write_picture(Picture(pixels=pixels.contiguous()), path)
        written.append(path)
    return written
