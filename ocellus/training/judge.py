"""A trained classifier that looks at generated pictures: its scores and its features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocellus import weights
from ocellus.data.views import middle
from ocellus.errors import OcellusError
from ocellus.metrics.classifier_score import judged
from ocellus.nn.dense import GREY

SYSTEM = "see/classifier"
AT_ONCE = 128


class Judge:
    """A classifier with its own way of preparing pictures. It is no module: no checkpoint holds it.

    Args:
        network: of `see/classifier`, in eval mode.
        names: its classes.
        source: the file it is from, for messages.
    """

    def __init__(self, network: nn.Module, names: Sequence[str], *, source: str = "it") -> None:
        self.network: Any = network.eval().requires_grad_(False)
        self.names = tuple(names)
        self.source = source

    @classmethod
    def load(cls, path: Path | str) -> Judge:
        """The judge of a weights file.

        Raises:
            OcellusError: the file is missing, damaged or of another system.
        """
        if not Path(path).is_file():
            raise OcellusError(
                f"{path} is not there: give a judge's weights file; `ocellus train {SYSTEM}` and `ocellus "
                f"import {SYSTEM}` make one",
                exit_code=2,
            )
        network, header = weights.load(path, system=SYSTEM)
        return cls(network, header.labels, source=str(path))

    def scores(self, images: Tensor) -> Tensor:
        """(N, K) logits of (N, C, H, W) pictures in [0, 1]."""
        return judged(self.network, self.prepared(images), batch=AT_ONCE)

    def embed(self, images: Tensor) -> Tensor:
        """(N, D), what its last layer scores, of (N, C, H, W) pictures in [0, 1]."""
        parts = torch.split(self.prepared(images), AT_ONCE)
        with torch.no_grad():
            return torch.cat([self.network.embed(part).float() for part in parts])

    def labels_of(self, names: Sequence[str]) -> Tensor:
        """(len(names),) int64: its numbers of these classes.

        Raises:
            OcellusError: it does not know one of them. Exit code 2.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise OcellusError(
                f"{self.source} does not know {', '.join(unknown)}, so it cannot judge pictures of it; it "
                f"knows {', '.join(self.names[:12])}",
                exit_code=2,
            )
        return torch.tensor([self.names.index(name) for name in names])

    def prepared(self, images: Tensor) -> Tensor:
        """(N, C', h, w) in [0, 1] at the size and with the channels that it looks at, of (N, C, H, W)."""
        config = self.network.config
        if images.shape[1] == 1 < config.channels:
            images = images.expand(-1, config.channels, -1, -1)
        if images.shape[1] == 3 and config.channels == 1:
            images = torch.einsum("c,bchw->bhw", torch.tensor(GREY).to(images), images)[:, None]
        seen = [middle(image, short_side=config.short_side, crop=config.crop) for image in images]
        return torch.stack(seen).to(self.network.mean.device)
