"""One answer from several views: a picture mirrored and turned, the answers put back and averaged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

VIEWS = (1, 2, 4, 8)
"""How many there can be: the picture; with its mirror image; with half a turn of both; with quarter turns."""


class Averaged(nn.Module):
    """A segmenter that looks at each picture several times.

    The mean is taken of probabilities. Ronneberger 2015 (arXiv:1505.04597, section 4) averages the answers of
    turned pictures too.

    Args:
        network: (B, C, H, W) -> logits, or a tuple with a field `logits`, (B, K, h, w).
        views: 1, 2, 4 or 8.
    """

    def __init__(self, network: nn.Module, views: int) -> None:
        super().__init__()
        self.network = network
        self.views = views
        self.config: Any = getattr(network, "config", None)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w) logarithms of the mean probabilities."""
        total: Tensor | None = None
        for view in range(self.views):
            raw: Any = self.network(seen(images, view))
            logits: Tensor = getattr(raw, "logits", raw)
            shares = unseen(logits.float().softmax(dim=1), view)
            total = shares if total is None else total + shares
        assert total is not None
        return torch.log(total / self.views)


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
