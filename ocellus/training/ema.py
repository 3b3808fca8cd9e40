"""A moving average of a network's weights, which often does better than the weights of the last step."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """A copy of a network that follows it.

    Args:
        network: the one that is trained. Its batch statistics are averaged like weights, counters are copied.
        decay: share of the old average kept at each step. Early on less is kept, (1 + step) / (10 + step), so
            that a short run does not end with its random beginning.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follow the network after optimizer step `step`."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for average, parameter in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(parameter, weight)
        for kept, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(buffer, weight)
            else:
                kept.copy_(buffer)
