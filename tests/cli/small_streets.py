"""A data set of label maps and a segmenter, small enough that every command answers within a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ocellus import weights
from ocellus.see.unet.config import TINY
from ocellus.see.unet.model import build

NAMES = ("sky", "road", "car")
COLORS = ((70, 130, 180), (128, 64, 128), (0, 0, 142))
QUICK = ["--preset", "tiny", "--device", "cpu", "--precision", "32", "--log-every", "1", "--crop", "0"]


def write_streets(
    folder: Path, *, count: int = 6, names: tuple[str, ...] = NAMES, size: tuple[int, int] = (48, 64)
) -> Path:
    """Pictures with a sky above a road and a car on it, label maps with ids, and classes.txt.

    The last row of each map is 255: nothing is annotated there.
    """
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    height, width = size
    random = np.random.default_rng(0)
    for index in range(count):
        labels = np.zeros(size, np.uint8)
        horizon, left = int(random.integers(height // 3, height // 2)), int(random.integers(2, width // 2))
        labels[horizon:] = 1
        labels[horizon + 4 : horizon + 14, left : left + 20] = min(2, len(names) - 1)
        pixels = np.array(COLORS, np.uint8)[labels] + random.integers(0, 40, (*size, 3), dtype=np.uint8)
        labels[-1] = 255
        Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{index}.png")
    return folder


def write_segmenter(
    path: Path,
    *,
    names: tuple[str, ...] = NAMES,
    colors: tuple[tuple[int, int, int], ...] = COLORS,
    norm: str = TINY.norm,
) -> Path:
    """Weights of a U-Net that has learned nothing."""
    torch.manual_seed(0)
    config = type(TINY)(**{**vars(TINY), "classes": len(names), "norm": norm})
    header = weights.describe("see/unet", config, labels=names, colors=colors, data="nothing")
    weights.save(path, build(config), header)
    return path
