"""How different two pictures look to a network: LPIPS (Zhang 2018, arXiv:1801.03924), published or like it.

With features y_l of a picture at layer l, each place's scaled to length 1 over the channels (ŷ), the distance
is Σ_l mean over places of Σ_c w_lc (ŷ_lc - ŷ'_lc)² (equation 1). The published weights w were fitted to what
people say, for features of AlexNet, VGG-16 or SqueezeNet 1.1; without them all channels count alike, which is
a distance of its own: say which network it is on, and never compare figures of two networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError

EPS = 1e-10
"""Added to the length that features are divided by, as published."""

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""(B, C, H, W) pictures in [0, 1] -> (B, C', h, w) by layer: `LossNetwork.features`, for one."""


class Perceived(NamedTuple):
    """Distances of pictures.

    Args:
        distance: (B,) in all.
        layers: (B,) of each layer, their sum the distance.
        network: the features that they are on, and how they were weighed.
    """

    distance: Tensor
    layers: dict[str, Tensor]
    network: str


class PerceptualDistance:
    """A distance of pictures on the features of one network.

    Args:
        features: of pictures in [0, 1]; how they are prepared is the network's own matter.
        network: its name, which is kept with every result.
        linear: published weights, (C,) of each layer, as `linear_weights` reads them; none: every layer is
            the mean of its squared differences, so that layers of more channels do not count more.
    """

    def __init__(self, features: Features, *, network: str, linear: Sequence[Tensor] = ()) -> None:
        self.features = features
        self.linear = tuple(linear)
        self.network = f"{network}, {'LPIPS weights' if linear else 'all channels alike'}"

    def __call__(self, images: Tensor, others: Tensor) -> Perceived:
        """The distances of pictures, pair by pair; gradients go through them.

        Args:
            images: (B, C, H, W) in [0, 1].
            others: the same shape.

        Raises:
            OcellusError: other shapes, or weights for other features.
        """
        if images.shape != others.shape or images.ndim != 4:
            raise OcellusError(
                f"pictures of {tuple(images.shape)} and {tuple(others.shape)} cannot be compared; both must "
                "be (B, C, H, W) of one size"
            )
        found, truth = self.features(images), self.features(others)
        self._check(found)
        layers = {}
        for index, name in enumerate(found):
            squares = (unit(found[name].float()) - unit(truth[name].float())).square()
            if self.linear:
                weights = self.linear[index].to(squares)
                layers[name] = torch.einsum("c,bchw->bhw", weights, squares).mean(dim=(1, 2))
            else:
                layers[name] = squares.mean(dim=(1, 2, 3))
        return Perceived(torch.stack(list(layers.values())).sum(dim=0), layers, self.network)

    def _check(self, found: Mapping[str, Tensor]) -> None:
        given = [len(weights) for weights in self.linear]
        channels = [features.shape[1] for features in found.values()]
        if self.linear and given != channels:
            raise OcellusError(
                f"LPIPS weights for features of {given} channels, and the network has {channels}: take the "
                "layers that they were fitted to"
            )


def unit(features: Tensor) -> Tensor:
    """(B, C, h, w) -> the same, each place's of length 1 over the channels."""
    # Where all are 0, as behind a ReLU, the root's gradient is not finite; that of this norm is 0.
    lengths: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (lengths + EPS)


def linear_weights(state: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """The published weights of channels from a checkpoint of the package lpips, layer by layer.

    Args:
        state: with "lin0.model.1.weight" (1, C, 1, 1) and so on; other entries are left alone.

    Raises:
        OcellusError: there are none.
    """
    found = {}
    for name, tensor in state.items():
        if place := re.fullmatch(r"lin(\d+)\.model\.1\.weight", name):
            found[int(place[1])] = tensor.flatten().float()
    if not found or sorted(found) != list(range(len(found))):
        raise OcellusError(
            f"the checkpoint's names ({', '.join(list(state)[:3])}, ...) are not those of LPIPS weights, "
            "lin0.model.1.weight and so on"
        )
    return tuple(found[index] for index in range(len(found)))
