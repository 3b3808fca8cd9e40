"""From a picture to the probability of each class, and to where the slots of a class look."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.data.views import middle
from ocellus.errors import OcellusError
from ocellus.explain.scouter.config import Config, Explain
from ocellus.explain.scouter.model import Raw, Scouter
from ocellus.nn.dense import GREY, check_channels
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import as_score
from ocellus.nn.subject import Score, Subject, heatmap, run, subject_of
from ocellus.values import Classification, Heatmap, Picture


def predict(
    network: Scouter,
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
        OcellusError: a picture of other channels.
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

    Raises:
        OcellusError: a picture of other channels.
    """
    check_channels(picture, config.channels)
    image = picture.pixels if picture.channels is None else picture.channels
    if len(image) == 3 and config.channels == 1:
        image = torch.einsum("c,chw->hw", torch.tensor(GREY), image.float() / 255)[None].clamp_(0, 1)
    seen = middle(image, short_side=config.short_side, crop=config.crop)
    return seen.float() / 255 if seen.dtype == torch.uint8 else seen


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    layer: str | None = None,
    score: Score | int | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Explain | None = None,
) -> Heatmap:
    """Where the slots of a class look: what the network finds there is the class's score, and nothing else.

    The whole picture is looked at, not the square in its middle alone.

    Args:
        network: of explain/scouter. It is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats in [0, 1].
        layer: not used: the attention is the network's own.
        score: a class's score, or its index; None: the network's top class.
        preprocess: not needed, as the network knows how it wants its pictures.
        config: which slot.

    Raises:
        OcellusError: another network or answer, no such slot, or a picture that cannot be explained.
    """
    if not isinstance(network, Scouter):
        message = f"SCOUTER explains networks of explain/scouter, not this {type(network).__name__}"
        raise OcellusError(f"{message}: train one, or use explain/gradcam", exit_code=2)
    slot = -1 if config is None else config.slot
    if not -1 <= slot < network.config.slots:
        there = f"each class has {network.config.slots}, from 0; -1 is their mean"
        raise OcellusError(f"there is no slot {slot}: {there}", exit_code=2)
    with untouched(network), torch.no_grad():
        subject = subject_of(network, image, preprocess=preprocess)
        answer = as_score(score).ask(network, subject).settled
        if answer.labels is None:
            message = f"SCOUTER explains the score of a class, not {answer.text}"
            raise OcellusError(f"{message}: give --target class:NAME", exit_code=2)
        raw: Raw = run(network, subject)
        maps = class_attention(raw, answer.labels, slot=slot)
        maps = on_images(maps, subject.images, stride=network.config.stride)
        return heatmap(
            maps,
            subject,
            method="scouter",
            target=f"{WORDS[network.config.says]}{answer.text}",
            layer="slots",
        )


WORDS = {"why": "", "why_not": "not "}
"""What comes before "class cat" in the words for what is explained."""


def class_attention(raw: Raw, labels: Tensor, *, slot: int = -1) -> Tensor:
    """(B, h, w) in (0, 1): where the slots of one class of each picture look.

    Args:
        raw: of the network.
        labels: (B,) or (1,) int64, the classes.
        slot: of those of a class; -1: the mean of all.
    """
    each = raw.attention[torch.arange(len(raw.attention)), labels.to(raw.attention.device)]  # (B, S, h, w)
    return each.mean(dim=1) if slot < 0 else each[:, slot]


def on_images(maps: Tensor, images: Tensor, *, stride: int) -> Tensor:
    """(B, h, w) of cells -> (B, H, W) of the pixels of (B, C, H, W) images, bilinear.

    Args:
        maps: of what the network saw; it may have added rows and columns up to a multiple of the stride.
        images: given to the network.
        stride: pixels of a cell.
    """
    size = [side * stride for side in maps.shape[1:]]
    enlarged: Tensor = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)
    return enlarged[:, 0, : images.shape[2], : images.shape[3]]
