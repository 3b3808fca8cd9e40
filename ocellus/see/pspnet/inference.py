"""From a picture to the class of every pixel."""

from __future__ import annotations

from ocellus.nn.dense import segment
from ocellus.nn.views import looking
from ocellus.see.pspnet.model import PSPNet
from ocellus.values import Picture, Segmentation


def predict(
    network: PSPNet,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
    colors: tuple[tuple[int, int, int], ...] = (),
    probabilities: bool = False,
) -> Segmentation:
    """The class of every pixel of one picture, at the picture's own size.

    Args:
        network: whatever its mode, it answers as in eval mode.
        picture: of any size, with as many channels as the network takes.
        names: class names, to be kept with the result.
        edges: of keypoints, which this has none of; there so that all systems are called alike.
        colors: class colors, to be kept with the result.
        probabilities: keep those of all classes too.

    Raises:
        OcellusError: a picture of other channels, or tiles that make no sense.
    """
    config = network.config
    return segment(
        looking(network, stride=config.stride),
        picture,
        names=names,
        colors=colors,
        stride=config.stride,
        any_size=True,
        short_side=config.short_side,
        tile=config.tile,
        overlap=config.overlap,
        probabilities=probabilities,
    )
