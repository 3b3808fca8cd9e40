"""What is explained: a picture as a network sees it, and one number of the network's answer to it.

A `Subject` is the picture's side: the tensor that goes in, and the way back to the picture's own pixels. A
`Score` is the answer's side: which number, of all that a network puts out, the explanation is about.
Explaining methods put the two together, `score.ask(network, subject)`, and differentiate or perturb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.dense import check_channels, resized_size, shrunk, window_of
from ocellus.values import Heatmap, Picture

PADDING = 32  # detectors on a feature pyramid take sides that are multiples of their coarsest stride
Size = tuple[int, int]


class Subject(NamedTuple):
    """One picture, or several of one size, as a network is given them."""

    images: Tensor  # (B, C, h, w), in [0, 1] for networks of ours
    size: Size  # h, w of the picture in them; what lies below and to the right of it is padding
    picture_size: Size  # H, W of the picture as it was given
    preprocess: Callable[[Tensor], Tensor] | None = None  # (B, C, h, w) -> the network's input, same view
    picture: Picture | None = None


class Answer(NamedTuple):
    """The numbers that are explained."""

    values: Tensor  # (B,), one of each picture
    settled: Score  # the same question, fixed to what was found here, to be asked of changed pictures


@dataclass(frozen=True, eq=False)
class Score:
    """Which number of a network's answer is explained.

    Args:
        text: "class tabby", as it is shown.
        number: runs a network on a subject and takes the (B,) numbers out, with their gradient where that is
            enabled. A question that leaves something open ("the top class", "box 0") decides it by the
            network's own answer and gives an `Answer`, whose score is settled.
        labels: (1,) or (B,) int64, the class, where the number is a class score.
        local: whether it looks at a part of the picture alone, as a detector's score of one box does.
    """

    text: str
    number: Callable[[nn.Module, Subject], Tensor | Answer]
    labels: Tensor | None = None
    local: bool = False

    def ask(self, network: nn.Module, subject: Subject) -> Answer:
        """The numbers of a subject, and the same question fixed to what was found."""
        found = self.number(network, subject)
        return found if isinstance(found, Answer) else Answer(found, self)


def subject_of(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    preprocess: Callable[[Tensor], Tensor] | None = None,
) -> Subject:
    """A picture as the network is to see it.

    A `Picture` becomes floats in [0, 1] and is resized as the network's own Config says (short_side,
    long_side); for detectors it is padded. A tensor is taken as it is.

    Args:
        network: the floats go to its device and have its type.
        image: a picture, or a (C, H, W) or (B, C, H, W) float tensor.
        preprocess: what a foreign network wants done to pictures in [0, 1], as (B, C, h, w) -> (B, C, h',
            w'): normalisation, a resize; not a crop, for then the map would not lie where the picture is.

    Raises:
        OcellusError: neither a picture nor such a tensor. Exit code 2.
    """
    if isinstance(image, Subject):
        return image
    if isinstance(image, Picture):
        subject = _from_picture(network, image)
    elif image.ndim in (3, 4) and image.is_floating_point():
        images = image if image.ndim == 4 else image[None]
        height, width = images.shape[2:]
        subject = Subject(images, (height, width), (height, width))
    else:
        given = f"a tensor {tuple(image.shape)} of {image.dtype}"
        wanted = "a Picture (ocellus.data.images.read_picture), or floats (C, H, W) or (1, C, H, W)"
        raise OcellusError(f"{given} cannot be explained; give {wanted}", exit_code=2)
    images = subject.images.detach()
    for parameter in network.parameters():
        if parameter.is_floating_point():
            images = images.to(device=parameter.device, dtype=parameter.dtype)
            break
    if images.is_inference():
        images = images.clone()
    if images.device.type == "cpu":  # the layout in which the CPU's convolutions are fastest
        images = images.contiguous(memory_format=torch.channels_last)
    return subject._replace(images=images, preprocess=preprocess)


def run(network: nn.Module, subject: Subject) -> Any:
    """What the network puts out for a subject."""
    images, sizes = _given(subject), padded_sizes(subject)
    return network(images) if sizes is None else network(images, sizes)


def padded_sizes(subject: Subject) -> Tensor | None:
    """(B, 2) int64 height and width of the pictures without their padding; None where there is none."""
    if subject.size == tuple(subject.images.shape[2:]):
        return None
    return torch.tensor([subject.size] * len(subject.images), device=subject.images.device)


def is_two_stage(network: nn.Module) -> bool:
    """Whether a network is a detector of ours that proposes regions and then looks at each."""
    return all(hasattr(network, name) for name in ("features", "propose", "heads"))


def features_of(network: nn.Module, subject: Subject) -> Any:
    """The feature maps that a two-stage detector pools its regions from."""
    return network.features(_given(subject), padded_sizes(subject))  # type: ignore[operator]


def _given(subject: Subject) -> Tensor:
    """The network's input: a copy, for networks that overwrite theirs."""
    images = subject.images.clone()
    return images if subject.preprocess is None else subject.preprocess(images)


def on_picture(maps: Tensor, subject: Subject) -> Tensor:
    """Maps (B, h', w') of what the network was given -> (B, H, W) float32 in the picture's own pixels.

    Args:
        maps: of any resolution; they cover the whole of `subject.images`, its padding too.
        subject: what they are of.
    """
    maps = maps.detach().float()[:, None]
    if maps.shape[2:] != subject.images.shape[2:]:
        maps = F.interpolate(maps, size=subject.images.shape[2:], mode="bilinear", align_corners=False)
    maps = maps[:, :, : subject.size[0], : subject.size[1]]
    if subject.size != subject.picture_size:
        maps = F.interpolate(maps, size=subject.picture_size, mode="bilinear", align_corners=False)
    return maps[:, 0].contiguous()


def heatmap(
    maps: Tensor,
    subject: Subject,
    *,
    method: str,
    target: str,
    layer: str = "",
    signed: bool = False,
    channels: Tensor | None = None,
) -> Heatmap:
    """The value that an explaining method gives back.

    Args:
        maps: (1, h, w) what was found, at the network's input or coarser.
        subject: what it is of.
        method: the method's name.
        target: the text of the score.
        layer: the layer that was looked at.
        signed: whether negative values mean something.
        channels: (1, C, h, w) the part of each color.

    Raises:
        OcellusError: of several pictures, with exit code 2; a heat map is of one. Values that are not finite.
    """
    if len(maps) != 1:
        message = f"{len(maps)} pictures were given and a heat map is of one: call explain for each picture"
        raise OcellusError(f"{message}, or the method's function that takes batches", exit_code=2)
    if not maps.isfinite().all():
        message = (
            f"{method}: the map holds values that are not finite, for the network's numbers or gradients do"
        )
        raise OcellusError(f"{message}; look for nan in its weights, and explain it in 32 bits")
    return Heatmap(
        values=on_picture(maps, subject)[0].cpu(),
        method=method,
        target=target,
        layer=layer,
        signed=signed,
        channels=None if channels is None else on_picture(channels[0], subject).cpu(),
        picture=subject.picture,
    )


def _from_picture(network: nn.Module, picture: Picture) -> Subject:
    config = getattr(network, "config", None)
    own = 3 if picture.channels is None else len(picture.channels)
    channels = int(getattr(config, "channels", own))
    check_channels(picture, channels)
    window = window_of(picture, channels)
    short, long = int(getattr(config, "short_side", 0)), int(getattr(config, "long_side", 0))
    if not is_two_stage(network):
        seen = resized_size(picture.size, short)
        images = window(0, picture.size[0], 0, picture.size[1])
        return Subject(
            images if seen == picture.size else shrunk(window, picture.size, seen), seen, picture.size,
            picture=picture,
        )  # fmt: skip
    # As torchvision's detectors: rounded down, and not smoothed when made smaller.
    scale = short / min(picture.size) if short else 1.0
    scale = min(scale, long / max(picture.size)) if short and long else scale
    height, width = (max(int(side * scale), 1) for side in picture.size)
    images = window(0, picture.size[0], 0, picture.size[1])
    if (height, width) != picture.size:
        images = F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
    images = F.pad(images, (0, -width % PADDING, 0, -height % PADDING))
    return Subject(images, (height, width), picture.size, picture=picture)
