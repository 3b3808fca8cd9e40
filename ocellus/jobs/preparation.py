"""How pictures reach networks of others."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from torch import Tensor

from ocellus.errors import OcellusError


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How pictures in [0, 1] reach a network of others.

    Args:
        short_side: they are resized so that the shorter side has this many pixels; 0: not resized.
        square: they are resized to short_side x short_side, for networks that take nothing else.
        scale: they are multiplied by this first: 255 for networks trained on bytes.
        mean: subtracted from each channel; one number: from all.
        std: each channel is divided by this.
        bgr: the network was trained on blue, green, red.
    """

    short_side: int = 0
    square: bool = False
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False

    def __post_init__(self) -> None:
        """See that pictures can be prepared so.

        Raises:
            OcellusError: they cannot. Exit code 2.
        """
        numbers = (self.scale, *self.mean, *self.std)
        if not self.mean or not self.std or not all(map(isfinite, numbers)) or self.short_side < 0:
            message = "mean and std take a number or one for each channel, short_side takes 0 or more"
            raise OcellusError(f"{message}, and none may be nan or infinite", exit_code=2)
        if 0 in (self.scale, *self.std):
            message = "scale and std may not be 0: nothing of the picture would be left"
            raise OcellusError(message, exit_code=2)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, h, w) in [0, 1] -> the network's input, of the same size.

        Raises:
            OcellusError: a mean or std of another number of channels. Exit code 2.
        """
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, images.shape[1]):
                message = f"{name} has {len(values)} numbers and pictures have {images.shape[1]} channels"
                raise OcellusError(f"{message}: give one, or one for each", exit_code=2)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        ordered = images.flip(1) if self.bgr else images
        return (ordered * self.scale - mean) / std
