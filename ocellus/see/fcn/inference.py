"""From a picture to the class of every pixel."""

from __future__ import annotations

from ocellus.errors import OcellusError
from ocellus.nn.dense import segment
from ocellus.nn.views import looking
from ocellus.see.fcn.model import COARSEST, FCN
from ocellus.values import Picture, Segmentation
from ocellus.values.segmentation import IGNORED


def predict(
    network: FCN,
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
        OcellusError: a picture of other channels, tiles that make no sense, or a network that tells more
            classes apart than a label map can.
    """
    config = network.config
    if config.classes > IGNORED:
        raise OcellusError(
            f"the network scores {config.classes} classes, and a label map holds {IGNORED}: an imported "
            "classifier is there to begin a training with (--start)"
        )
    return segment(
        looking(network, stride=COARSEST),
        picture,
        names=names,
        colors=colors,
        stride=COARSEST,
        any_size=config.backbone != "small",  # a vgg or resnet takes pictures as they are, as published
        short_side=config.short_side,
        tile=config.tile,
        overlap=config.overlap,
        probabilities=probabilities,
    )
