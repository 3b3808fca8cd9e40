"""How far a network sees: measured, not reckoned."""

from __future__ import annotations

import torch
from torch import nn


def reach(network: nn.Module, *, width: int, stride: int) -> int:
    """The farthest pixel of the picture, along a row, that the answer for a pixel depends on.

    All weights are made positive and all biases 0, so that a single bright column of a black picture shows
    wherever it has any say. Not for networks whose norms look at what they are given.

    Args:
        network: of three channels, with buffers `mean` and `std`; it is spoilt.
        width: of the picture, more than twice the reach.
        stride: of the coarsest cells: each place within one is tried.
    """
    network = network.double().eval()
    network.mean.zero_()
    network.std.fill_(1)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1 / 64 if parameter.ndim > 1 else 0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    first = width // 2 // stride * stride
    farthest = 0
    with torch.no_grad():
        for column in range(first, first + stride):
            images = torch.zeros(1, 3, stride, width, dtype=torch.float64)
            images[..., column] = 1
            seen = network(images).logits.abs().amax(dim=(0, 1, 2)).nonzero()
            farthest = max(farthest, column - int(seen.min()), int(seen.max()) - column)
    return farthest
