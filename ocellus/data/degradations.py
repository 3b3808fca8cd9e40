"""What is taken from a picture so that a network can learn to give it back: colour, detail, cleanness.

Each function makes another of settings: `noise(0.1)` takes a picture (C, H, W) float32 in [0, 1] and dice,
and answers with a picture of the same height and width in [0, 1]. They can be pickled, so that worker
processes have them, and what they throw comes from the dice alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ocellus.errors import OcellusError

__all__ = ["Blur", "Chain", "Edges", "Grey", "Jpeg", "Noise", "named"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Grey:
    """Colours as their brightness.

    Args:
        channels: of the answer; 3 repeats it.
    """

    channels: int = 1

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> (channels, H, W)."""
        weights = image.new_tensor(LUMA) if len(image) == 3 else image.new_ones(len(image)) / len(image)
        return torch.einsum("c,chw->hw", weights, image).clamp(0, 1).expand(self.channels, -1, -1)


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur whose width is thrown; borders are mirrored.

    Args:
        low: least standard deviation, in pixels.
        high: largest.
    """

    low: float = 0.5
    high: float = 2.0

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> the same size."""
        return blurred(image, float(dice.uniform(self.low, self.high)))


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of a thrown strength, cut off at black and white.

    Args:
        low: least standard deviation.
        high: largest.
    """

    low: float = 0.0
    high: float = 0.1

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> the same size."""
        deviation = float(dice.uniform(self.low, self.high))
        thrown = dice.standard_normal(tuple(image.shape), dtype=np.float32)
        return (image + deviation * torch.from_numpy(thrown)).clamp(0, 1)


@dataclass(frozen=True)
class Jpeg:
    """Through a JPEG file of a thrown quality and back; 1 or 3 channels.

    Args:
        low: least quality, 1 to 95.
        high: largest.
    """

    low: int = 10
    high: int = 60

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> the same size.

        Raises:
            OcellusError: another number of channels. Exit code 2.
        """
        if len(image) not in (1, 3):
            raise OcellusError(f"JPEG files have 1 channel or 3, not {len(image)}", exit_code=2)
        quality = int(dice.integers(self.low, self.high + 1))
        array = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        held = io.BytesIO()
        Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(held, "JPEG", quality=quality)
        again = np.array(Image.open(held), dtype=np.float32) / 255
        tensor = torch.from_numpy(again.reshape(array.shape))
        return tensor.permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class Edges:
    """A drawing of the edges, dark on white: the length of the gradient of the smoothed brightness.

    Args:
        smooth: standard deviation of the smoothing, in pixels.
        strength: gradient, in brightness a pixel, at which a line is black.
        channels: of the answer; 3 repeats it.
    """

    smooth: float = 1.2
    strength: float = 0.12
    channels: int = 1

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> (channels, H, W)."""
        grey = blurred(Grey()(image, dice), self.smooth)
        wide = pad(grey[None], (1, 1, 1, 1), mode="replicate")[0, 0]
        across = (wide[1:-1, 2:] - wide[1:-1, :-2]) / 2
        down = (wide[2:, 1:-1] - wide[:-2, 1:-1]) / 2
        length = torch.hypot(across, down) / self.strength
        return (1 - length.clamp(0, 1)).expand(self.channels, -1, -1)


@dataclass(frozen=True)
class Chain:
    """Several, one after the other.

    Args:
        parts: in their order.
    """

    parts: tuple[Callable[[Tensor, Generator], Tensor], ...]

    def __call__(self, image: Tensor, dice: Generator) -> Tensor:
        """(C, H, W) -> what the last one makes."""
        for part in self.parts:
            image = part(image, dice)
        return image


NAMES: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "grey": Grey(),
    "blur": Blur(),
    "noise": Noise(),
    "jpeg": Jpeg(),
    "edges": Edges(),
}


def named(words: str, *, channels: int = 0) -> Callable[[Tensor, Generator], Tensor]:
    """The degradation that a setting names: "grey", "blur+jpeg".

    Args:
        words: of NAMES, joined by +.
        channels: of what grey and edges answer with; 0: one.

    Raises:
        OcellusError: no such degradation. Exit code 2.
    """
    parts = []
    for word in words.split("+"):
        if word not in NAMES:
            raise OcellusError(
                f"there is no degradation {word!r}; there is {', '.join(NAMES)}, or several joined by +",
                exit_code=2,
            )
        part = NAMES[word]
        if channels and isinstance(part, Grey | Edges):
            part = type(part)(channels=channels)
        parts.append(part)
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))


def blurred(image: Tensor, deviation: float) -> Tensor:
    """(C, H, W) smoothed with a Gaussian of so many pixels, cut off at four deviations; borders mirrored."""
    if deviation <= 0:
        return image
    reach = min(math.ceil(4 * deviation), *(side - 1 for side in image.shape[1:]))
    if reach < 1:
        return image
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-0.5 * (places / deviation) ** 2)
    bell = (bell / bell.sum()).to(image)
    wide = pad(image[:, None], (reach, reach, reach, reach), mode="reflect")  # (C, 1, H + 2r, W + 2r)
    smooth = conv2d(conv2d(wide, bell[None, None, None, :]), bell[None, None, :, None])
    return smooth[:, 0]
