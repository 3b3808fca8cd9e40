"""Frames of a video in the colors of their classes, with a bar that says how much there is of each; quick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ocellus.draw.chips import Color, luminance
from ocellus.draw.instances import font_size
from ocellus.draw.segmentation import PLAIN, class_colors
from ocellus.draw.text import line_height, text_coverage, text_width
from ocellus.values import Picture
from ocellus.values.segmentation import IGNORED

PANEL: Color = (14, 16, 20)
LEAST = 0.002
"""A class with a smaller share of the frame has no part of the bar."""


class ShareBar:
    """Colors a video's frames and draws a bar below them: a part for each class, as wide as its share.

    Args:
        names: of the classes.
        colors: of the classes, where the data set states them.
        fill: opacity of the colors over the frame, 0 to 1.
    """

    def __init__(self, names: Sequence[str], colors: Sequence[Color], *, fill: float) -> None:
        self.names = tuple(names)
        self.colors = class_colors(colors, IGNORED)
        palette = torch.tensor([*self.colors, (0, 0, 0)], dtype=torch.int16)  # (256, 3)
        plain = [name in PLAIN for name in self.names]
        opacity = torch.full((IGNORED + 1,), round(128 * fill), dtype=torch.int16)
        opacity[: len(plain)][torch.tensor(plain, dtype=torch.bool)] = 0
        opacity[IGNORED] = 0
        # drawn = pixel (128 - opacity) / 128 + color opacity / 128, by tables over the 256 labels
        self.added = (palette * opacity[:, None]).T.contiguous()  # (3, 256)
        self.kept = 128 - opacity  # (256,)

    def draw(self, picture: Picture, labels: Tensor, counts: Tensor) -> Picture:
        """A frame in colors, with the bar below it.

        Args:
            picture: the frame.
            labels: (H, W) uint8.
            counts: (256,) pixels of each label.
        """
        index = labels.flatten().long()
        kept = self.kept[index].view(labels.shape)
        pixels = picture.pixels.to(torch.int16) * kept  # at most 255 * 128 fits 16 bits
        for channel in range(3):
            pixels[channel] += self.added[channel][index].view(labels.shape)
        drawn = pixels.bitwise_right_shift_(7).to(torch.uint8)
        band = torch.from_numpy(self.band(labels.shape[1], labels.shape[0], counts)).permute(2, 0, 1)
        return Picture(pixels=torch.cat([drawn, band], dim=1), path=picture.path)

    def band(self, width: int, height: int, counts: Tensor) -> NDArray[np.uint8]:
        """(h, width, 3): parts from left to right in the classes' order, so that they do not change places.

        A name stands in its part where there is room, and its share below it.
        """
        size = max(8, round(0.72 * font_size((height, width))))
        tall = 2 * line_height(size) + size // 2
        canvas = Image.new("RGB", (width, tall), PANEL)
        known = counts[:IGNORED].tolist()
        total = max(sum(known), 1)
        left = 0.0
        for label, count in enumerate(known):
            share = count / total
            right = left + share * width
            if share >= LEAST:
                first, last = round(left), max(round(right), round(left) + 1)
                canvas.paste(self.colors[label], (first, 0, min(last, width), tall))
                self._paint_name(canvas, label, share, (first, last), size=size)
            left = right
        return np.array(canvas)

    def _paint_name(
        self, canvas: Image.Image, label: int, share: float, part: tuple[int, int], *, size: int
    ) -> None:
        name = self.names[label] if label < len(self.names) else str(label)
        room = part[1] - part[0] - size // 2
        ink = (16, 18, 22) if luminance(self.colors[label]) > 0.36 else (255, 255, 255)
        top = size // 4
        for text in (name, f"{share:.0%}"):
            wide = text_width(text, size)
            if wide <= room:
                canvas.paste(ink, ((part[0] + part[1] - wide) // 2, top), text_coverage(text, size))
            top += line_height(size)
