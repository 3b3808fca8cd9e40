"""Pictures that do not fit into memory: read in tiles, and the label map written as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ocellus.data.label_writer import bands, write_labels
from ocellus.data.windows import Source, is_large, open_source
from ocellus.draw.segmentation import class_colors
from ocellus.jobs.found_pixels import details_of, summary_of
from ocellus.jobs.model import Model
from ocellus.nn.dense import GRID, Block, device_of, label_blocks, tiles_for_large
from ocellus.nn.tiles import Tiling, Window
from ocellus.nn.views import looking
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED

SHOWN = 1600
"""Pixels of the longer side of the copy that is drawn."""


@dataclass(frozen=True)
class Huge:
    """Stands for a picture file that is looked at part by part."""

    path: Path


@dataclass(frozen=True, eq=False, kw_only=True)
class Overview:
    """What was found in such a picture.

    Args:
        size: (H, W) of the picture.
        picture: a small copy.
        value: the labels of the copy.
        text: what was found, in a few words.
        facts: what was found, for JSON.
    """

    size: tuple[int, int]
    picture: Picture
    value: Segmentation
    text: str
    facts: dict[str, Any]


def is_huge(path: Path) -> bool:
    """Whether a file is looked at part by part: above 60 megapixels, or an array that numpy wrote.

    Raises:
        OcellusError: it is missing or no picture.
    """
    return is_large(path)


def look(model: Model, huge: Huge | Source, *, labels: Path | None) -> Overview:
    """The class of every pixel, in bounded memory.

    Args:
        model: a segmenter.
        huge: the picture.
        labels: the file to write the label map to, .tif or .npy; None: none is written.

    Raises:
        OcellusError: the picture is broken or has other channels, or the disk refuses.
    """
    source = open_source(huge.path, channels=model.channels) if isinstance(huge, Huge) else huge
    count = Counted(source, device_of(model.network))
    colors = class_colors(model.header.colors, len(model.header.labels))
    with torch.inference_mode(), model.autocast():
        parts = parts_of(model.network, count.window, source.size)
        rows = count.watched(parts)
        if labels is None:
            for _ in rows:
                pass
        else:
            write_labels(labels, rows, source.size, colors=colors)
    value = Segmentation(
        labels=torch.from_numpy(count.labels),
        confidence=torch.from_numpy(count.confidence),
        names=model.header.labels,
        colors=model.header.colors,
    )
    shares = count.shares(model.header.labels)
    return Overview(
        size=source.size,
        picture=Picture(pixels=torch.from_numpy(count.shown), path=source.path or None),
        value=value,
        text=summary_of(shares),
        facts=details_of(shares, count.sure / max(1, source.size[0] * source.size[1])),
    )


def parts_of(network: nn.Module, window: Window, size: tuple[int, int]) -> Iterator[Block]:
    """The labels of a picture's parts, as the network's settings say; in tiles in any case."""
    config: Any = getattr(network, "config", None)
    margin = int(getattr(network, "margin", 0))
    stride = getattr(network, "stride", 1)
    tile = int(getattr(config, "tile", 0))
    overlap = 0 if margin else int(getattr(config, "overlap", 0))
    stride = lcm(GRID, stride if isinstance(stride, int) else 1)
    tiling = tiles_for_large(Tiling(stride=stride, tile=tile, overlap=overlap, margin=margin))
    short_side = int(getattr(config, "short_side", 0))
    looks = looking(network, stride=stride)
    return label_blocks(looks, window, size, tiling=tiling, short_side=short_side)


class Counted:
    """Looks on while the parts go by: counts labels, and keeps a small copy of everything.

    Args:
        source: the picture.
        device: where its parts are wanted.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        self.source, self.device = source, device
        self.step = max(1, -(-max(source.size) // SHOWN))
        self.counts = np.zeros(IGNORED + 1, np.int64)
        self.sure = 0.0
        height, width = (-(-side // self.step) for side in source.size)
        self.labels = np.zeros((height, width), np.uint8)
        self.confidence = np.zeros((height, width), np.float16)
        self.shown = np.zeros((3, height, width), np.uint8)

    def window(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """A part of the picture; the copy is taken from it in passing."""
        part = self.source.window(top, bottom, left, right)
        rows, columns = -(-top // self.step), -(-left // self.step)
        small = part[0, :, rows * self.step - top :: self.step, columns * self.step - left :: self.step]
        small = small[:3] if len(small) >= 3 else small[:1].expand(3, -1, -1)
        height, width = small.shape[1:]
        pixels = (small * 255).round().to(torch.uint8).numpy()
        self.shown[:, rows : rows + height, columns : columns + width] = pixels
        return part.to(self.device)

    def watched(self, parts: Iterator[Block]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """The rows of the label map, counted."""
        for top, band in bands(self._noted(parts), self.source.size[1]):
            self.counts += np.bincount(band.ravel(), minlength=IGNORED + 1)
            first = -(-top // self.step)
            small = band[first * self.step - top :: self.step, :: self.step]
            self.labels[first : first + len(small)] = small
            yield top, band

    def shares(self, names: tuple[str, ...]) -> dict[str, float]:
        """The share of the picture that each class covers, the largest first."""
        total = max(1, int(self.counts[:IGNORED].sum()))
        order = [label for label in np.argsort(-self.counts[:IGNORED], kind="stable") if self.counts[label]]
        return {
            names[label] if label < len(names) else str(label): float(self.counts[label] / total)
            for label in order
        }

    def _noted(self, parts: Iterator[Block]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        for part in parts:
            self.sure += float(part.confidence.sum(dtype=torch.float64))
            rows, columns = -(-part.top // self.step), -(-part.left // self.step)
            small = part.confidence[
                rows * self.step - part.top :: self.step, columns * self.step - part.left :: self.step
            ].numpy()
            self.confidence[rows : rows + small.shape[0], columns : columns + small.shape[1]] = small
            yield part.top, part.left, part.labels.numpy()
