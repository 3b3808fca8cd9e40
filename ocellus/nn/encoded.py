"""What networks that go back to the pixels from a classifier's features are made from."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.light import Light
from ocellus.nn.norm import NormedConv
from ocellus.nn.squeezenet import SqueezeNet

BORDER = 3
"""Zeros around a picture for a SqueezeNet's 7x7 convolution, so that its cells stay in their places."""

ENCODER = "squeezenet1_0"
STRIDES = {ENCODER: 16, "small": 32}
"""By encoder, the pixels of the picture that a cell of its coarsest level stands for."""

PREPARED = ("channel_order", "mean", "std")


def levels(backbone: SqueezeNet | Light, images: Tensor) -> list[Tensor]:
    """Features of normalized images at strides 2, 4, 8 and 16, sides rounded up, each cell in its place.

    Args:
        backbone: SqueezeNet 1.0; or `Light`, which has stride 32 too.
        images: (B, C, H, W); of `Light` H and W are multiples of 32.
    """
    if isinstance(backbone, Light):
        return backbone.levels(images)
    found = [F.relu(backbone.stem(F.pad(images, (BORDER,) * 4)))]
    for stage in backbone.stages:
        found.append(stage(F.max_pool2d(found[-1], 3, stride=2, padding=1)))
    return found


def level_channels(backbone: SqueezeNet | Light) -> tuple[int, ...]:
    """Channels of `levels`."""
    return (backbone.stem.out_channels, *backbone.channels)


class Join(nn.Module):
    """One step of a decoder: what is coarse enlarged, what is fine narrowed, two 3x3 convolutions over both.

    Args:
        coarse: channels from below.
        fine: channels of the encoder at this resolution.
        outputs: channels out.
        norm: batch, group or frozen.
    """

    def __init__(self, coarse: int, fine: int, outputs: int, *, norm: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, outputs, 1)
        self.lateral = NormedConv(fine, outputs, kernel=1, norm=norm)
        self.first = NormedConv(2 * outputs, outputs, kernel=3, norm=norm)
        self.second = NormedConv(outputs, outputs, kernel=3, norm=norm)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = F.interpolate(
            self.reduce(coarse), size=fine.shape[2:], mode="bilinear", align_corners=False
        )
        both = torch.cat([F.relu(self.lateral(fine)), F.relu(enlarged)], dim=1)  # (B, 2 C, h, w)
        return F.relu_(self.second(F.relu_(self.first(both))))


def encoder_state(network: Any, classifier: Any) -> dict[str, Tensor]:
    """A network's state with the features of a classifier of `see/classifier` in place of its own.

    Args:
        network: with a `backbone` of SqueezeNet 1.0; `config` says how pictures reach it.
        classifier: of `see/classifier`.

    Raises:
        OcellusError: another classifier, or one that was trained on pictures prepared otherwise. Exit code 2.
    """
    known = classifier.config
    ours = getattr(network, "backbone", None)
    if not isinstance(ours, SqueezeNet) or known.architecture != ENCODER:
        has = ENCODER if isinstance(ours, SqueezeNet) else "of its own"
        raise OcellusError(
            f"the weights to begin with are of {known.architecture}; the encoder is {has}", exit_code=2
        )
    theirs: dict[str, Any] = {
        "channels": known.channels,
        "channel_order": known.channel_order,
        "mean": tuple(value / known.scale for value in known.mean),
        "std": tuple(value / known.scale for value in known.std),
    }
    for field, wanted in theirs.items():
        given = getattr(network.config, field)
        if not agrees(given, wanted):
            words = " ".join(f"{value:.8g}" for value in wanted) if isinstance(wanted, tuple) else wanted
            raise OcellusError(
                f"the weights to begin with were trained on pictures with {field} {words}: give "
                f"--{field.replace('_', '-')} {words} too",
                exit_code=2,
            )
    state = classifier.state_dict()
    return {
        name: state[name] if name.startswith("backbone.") else own
        for name, own in network.state_dict().items()
    }


def agrees(given: Any, wanted: Any) -> bool:
    """Whether two settings agree; one number of a tuple is for every channel."""
    if not isinstance(wanted, tuple):
        return bool(given == wanted)
    length = max(len(given), len(wanted))
    sides = [side * length if len(side) == 1 else side for side in (given, wanted)]
    return len(sides[0]) == len(sides[1]) and all(
        math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6) for a, b in zip(*sides, strict=True)
    )
