"""From a picture to the probability of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from ocellus.data.views import middle
from ocellus.errors import OcellusError
from ocellus.nn.dense import GREY, check_channels
from ocellus.see.classifier.config import Config
from ocellus.see.classifier.model import ARCHITECTURES, Classifier, Raw
from ocellus.values import Classification, Picture


def predict(
    network: Classifier,
    picture: Picture,
    *,
    names: tuple[str, ...] = (),
    edges: tuple[tuple[int, int], ...] = (),
) -> Classification:
    """What one picture shows.

    Args:
        network: in eval mode.
        picture: of any size, with as many channels as the network takes.
        names: class names, to be kept with the result.
        edges: of keypoints, which this has none of; there so that all systems are called alike.

    Raises:
        OcellusError: a picture of other channels, or too small.
    """
    images = prepared(network.config, picture)[None].to(network.mean.device)
    with torch.no_grad():
        raw = network(images)
    return decode(raw, names=names)


def decode(raw: Raw, *, names: tuple[str, ...] = ()) -> Classification:
    """The probabilities of the first picture: softmax of its logits."""
    return Classification(probabilities=raw.logits[0].float().softmax(dim=0).cpu(), names=names)


def prepared(config: Config, picture: Picture) -> Tensor:
    """(channels, h, w) float32 in [0, 1]: the part of a picture that the network looks at, at its size.

    Pictures of 8 bits stay so until they are resized.

    Raises:
        OcellusError: a picture of other channels, or too small.
    """
    check_channels(picture, config.channels)
    image = picture.pixels if picture.channels is None else picture.channels
    if len(image) == 3 and config.channels == 1:
        image = torch.einsum("c,chw->hw", torch.tensor(GREY), image.float() / 255)[None].clamp_(0, 1)
    seen = middle(image, short_side=config.short_side, crop=config.crop)
    least = ARCHITECTURES[config.architecture].least
    if min(seen.shape[1:]) < least:
        raise OcellusError(
            f"{picture.path or 'the picture'} is {seen.shape[2]}x{seen.shape[1]} pixels; "
            f"{config.architecture} needs {least} or more a side: train or import it with a short_side"
        )
    return seen.float() / 255 if seen.dtype == torch.uint8 else seen
