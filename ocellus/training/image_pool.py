"""A memory of generated pictures, so that a discriminator keeps looking at what it was fooled by before.

Shrivastava 2016, arXiv:1612.07828, section 2.3; as CycleGAN uses it: Zhu 2017, arXiv:1703.10593, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Holds some of the pictures it was given; each new one may be exchanged for an old one.

    Its dice are torch's, which a run seeds at each step; what it holds is all the state it has.

    Args:
        size: pictures that it holds; 0: none, all pass through.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.held: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """New pictures in, new and old ones out.

        While there is room, each picture is kept and passes. Then each passes with probability ½; else it is
        kept, and the one whose place it takes goes out.

        Args:
            images: (B, C, H, W); where B is above 1, all ever given of one size.

        Returns:
            (B, C, H, W), without gradient.
        """
        images = images.detach()
        if not self.size:
            return images
        answer = []
        for image in images:
            if len(self.held) < self.size:
                self.held.append(image.clone())
                answer.append(image)
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(self.size, ()))
                answer.append(self.held[place].to(image))
                self.held[place] = image.clone()
            else:
                answer.append(image)
        return torch.stack(answer)

    def state_dict(self) -> dict[str, Any]:
        """What it holds, for a checkpoint: (C, H, W) each; with batches of one they may differ in size."""
        return {"held": list(self.held)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what another held."""
        self.held = [image.clone() for image in state["held"]]
