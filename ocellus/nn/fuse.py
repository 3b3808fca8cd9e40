"""A copy of a network for inference alone: norms folded into convolutions, weights laid out channels-last."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

from ocellus.nn.norm import NormedConv, folded

Network = TypeVar("Network", bound=nn.Module)


def fuse(network: Network) -> Network:
    """A copy that answers the same, faster: it is in eval mode, needs no gradient and cannot be trained on.

    Args:
        network: any network; each NormedConv with a frozen or batch norm becomes one convolution with bias,
            group norms stay.

    Returns:
        the copy; the network itself is untouched.
    """
    fused = deepcopy(network).eval()
    for module in list(fused.modules()):
        for name, child in module.named_children():
            if isinstance(child, NormedConv) and not isinstance(child.norm, nn.GroupNorm):
                setattr(module, name, folded(child))
    fused.requires_grad_(False)
    return fused.to(memory_format=torch.channels_last)
