"""One answer from several views: a picture mirrored, turned, scaled, the answers put back and averaged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import require

VIEWS = (1, 2, 4, 8)
"""How many there can be: the picture; with its mirror image; with half a turn of both; with quarter turns."""

SCALES = (0.25, 4.0)
"""The smallest and the largest view of a picture."""


class Averaged(nn.Module):
    """A segmenter that looks at each picture several times.

    The mean is taken of probabilities. Ronneberger 2015 (arXiv:1505.04597, section 4) averages the answers of
    turned pictures too, Zhao 2017 (arXiv:1612.01105, section 5.1) those of six scales.

    Args:
        network: (B, C, H, W) -> logits, or a tuple with a field `logits`, (B, K, h, w).
        views: 1, 2, 4 or 8.
        scales: sides of the views over those of the picture; the answers are resized to what that of the
            picture as it is would be.
        stride: the scaled sides are multiples of it.
    """

    def __init__(
        self, network: nn.Module, views: int = 1, *, scales: tuple[float, ...] = (1.0,), stride: int = 1
    ) -> None:
        super().__init__()
        self.network = network
        self.views = views
        self.scales = scales
        self.stride = stride
        self.config: Any = getattr(network, "config", None)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w) logarithms of the mean probabilities."""
        size = (images.shape[2], images.shape[3])
        total: Tensor | None = None
        for scale in self.scales:
            scaled = images if scale == 1 else self._resized(images, scale)
            for view in range(self.views):
                raw: Any = self.network(seen(scaled, view))
                logits = unseen(getattr(raw, "logits", raw).float(), view)
                if scale != 1:
                    logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
                shares = logits.softmax(dim=1)
                total = shares if total is None else total + shares
        assert total is not None
        return torch.log(total / (self.views * len(self.scales)))

    def _resized(self, images: Tensor, scale: float) -> Tensor:
        """The view of a scale, its sides rounded to the stride."""
        height, width = (
            max(self.stride, round(side * scale / self.stride) * self.stride) for side in images.shape[2:]
        )
        return F.interpolate(
            images, size=(height, width), mode="bilinear", align_corners=False, antialias=scale < 1
        )


def looking(network: nn.Module, *, stride: int) -> nn.Module:
    """The network, or where its settings `views` and `scales` ask for more than one look, `Averaged`.

    Args:
        network: with a field `config`.
        stride: of its coarsest features.
    """
    config = getattr(network, "config", None)
    views, scales = int(getattr(config, "views", 1)), tuple(getattr(config, "scales", (1.0,)))
    return (
        network if (views, scales) == (1, (1.0,)) else Averaged(network, views, scales=scales, stride=stride)
    )


def check_views(config: Any) -> None:
    """See that the settings `views` and `scales` can be.

    Raises:
        OcellusError: one cannot. Exit code 2.
    """
    require(config.views in VIEWS, config, "views", f"one of {', '.join(map(str, VIEWS))}")
    low, high = SCALES
    fit = bool(config.scales) and all(low <= scale <= high for scale in config.scales)
    require(fit, config, "scales", f"one number or more, {low} to {high}")


def seen(images: Tensor, view: int) -> Tensor:
    """A view of (B, C, H, W): bit 0 mirrors left to right, bit 1 is half a turn, bit 2 a quarter turn."""
    images = images.flip(3) if view & 1 else images
    images = images.rot90(2, (2, 3)) if view & 2 else images
    return images.rot90(1, (2, 3)) if view & 4 else images


def unseen(answers: Tensor, view: int) -> Tensor:
    """(B, K, h, w) answers for a view, put back where the picture is: what `seen` did, undone."""
    answers = answers.rot90(-1, (2, 3)) if view & 4 else answers
    answers = answers.rot90(2, (2, 3)) if view & 2 else answers
    return answers.flip(3) if view & 1 else answers
