"""Class scores: of a picture, and of some of the pixels of a segmentation."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.hooks import tensors_in
from ocellus.nn.subject import Answer, Score, Subject, run

Box = tuple[float, float, float, float]


def logits_in(output: Any) -> Tensor:
    """The tensor of scores in what a network puts out.

    That is the output itself; a field or entry `logits` or `out`; else the first tensor in a tuple, list or
    dictionary.

    Raises:
        OcellusError: there is no tensor in it, or it is a picture. Exit code 2.
    """
    for name in ("logits", "out"):
        found = output.get(name) if isinstance(output, dict) else getattr(output, name, None)
        if isinstance(found, Tensor):
            return found
    if makes_pictures(output):  # whose colors would pass for classes
        message = "the network puts out a picture and no scores"
        cure = "explain a unit (unit:LAYER,CHANNEL) or its discriminator, or take a number out yourself"
        raise OcellusError(f"{message}: {cure}: output_score(function)", exit_code=2)
    for tensor in tensors_in(output):
        return tensor
    message = f"the network puts out {type(output).__name__} without a tensor in it"
    raise OcellusError(f"{message}; take the number out yourself: output_score(function)", exit_code=2)


def makes_pictures(output: Any) -> bool:
    """Whether what a network of ours puts out is a picture: a field `pictures` and no `logits`."""
    return isinstance(getattr(output, "pictures", None), Tensor) and not hasattr(output, "logits")


def class_score(label: int | Tensor, *, name: str = "") -> Score:
    """The logit of a class.

    Of a segmentation, (B, K, h, w): its mean over the pixels where the class wins, or over all where it wins
    nowhere (Vinogradova 2020, arXiv:2002.11434, equation 2).

    Args:
        label: the class, or (B,) int64 one for each picture.
        name: what to call it.
    """
    labels = torch.as_tensor(label).reshape(-1)
    text = f"class {name or ', '.join(str(one) for one in labels.tolist())}"

    def number(network: nn.Module, subject: Subject) -> Tensor | Answer:
        logits = logits_in(run(network, subject))
        check_labels(labels, logits)
        chosen = labels.to(logits.device).expand(len(logits))
        if logits.ndim == 2:
            return logits.gather(1, chosen[:, None])[:, 0]
        won = logits.detach().argmax(dim=1) == chosen[:, None, None]
        nowhere = ~won.flatten(1).any(dim=1)
        won = won | nowhere[:, None, None]
        settled = pixel_score(labels, won.float(), text)
        return Answer(weighted_mean(logits, chosen, won.float()), settled)

    return Score(text, number, labels)


def region_score(
    label: int | None = None,
    *,
    box: Box | None = None,
    mask: Tensor | None = None,
    name: str = "",
) -> Score:
    """The mean logit of a class over a region of a segmentation.

    Args:
        label: the class; None: the one that wins most pixels of the region.
        box: x1, y1, x2, y2 in the picture's pixels.
        mask: (H, W) bool at the picture's size; given in place of a box.
        name: what to call the class.

    Raises:
        OcellusError: neither or both of box and mask are given. Exit code 2.
    """
    if (box is None) == (mask is None):
        raise OcellusError("a region is a box or a mask: give one of them", exit_code=2)
    where = "the mask" if box is None else ",".join(f"{side:g}" for side in box)

    def number(network: nn.Module, subject: Subject) -> Answer:
        logits = logits_in(run(network, subject))
        if logits.ndim != 4:
            message = f"the network puts out {tuple(logits.shape)}, not a class for every pixel"
            raise OcellusError(f"{message}: a region can be explained of a segmenter", exit_code=2)
        weights = _region(box, mask, subject, network, logits)
        if label is None:
            won = logits.detach().argmax(dim=1)
            share = torch.bincount(won.flatten(), weights=weights.expand_as(won).flatten())
            labels = share.argmax().reshape(1)
        else:
            labels = torch.tensor([label], device=logits.device)
        check_labels(labels, logits)
        text = f"class {name or int(labels)} in {where}"
        settled = pixel_score(labels, weights, text)
        return Answer(weighted_mean(logits, labels.expand(len(logits)), weights), settled)

    return Score(f"region {where}", number)


def check_labels(labels: Tensor, logits: Tensor) -> None:
    """See that (B or 1,) classes are ones that (B, C) or (B, C, h, w) logits tell apart.

    Raises:
        OcellusError: they are not. Exit code 2.
    """
    if logits.ndim not in (2, 4):
        message = f"the network puts out {tuple(logits.shape)}, no class scores (B, C) or (B, C, h, w)"
        raise OcellusError(f"{message}: take a number out yourself with output_score(function)", exit_code=2)
    count = logits.shape[1]
    if int(labels.min()) < 0 or int(labels.max()) >= count:
        wrong = next(label for label in labels.tolist() if not 0 <= label < count)
        message = f"class {wrong} was asked for, and the network has {count}: 0 to {count - 1}"
        raise OcellusError(message, exit_code=2)


def winners(logits: Tensor, names: tuple[str, ...]) -> Tensor:
    """(B,) the likeliest class of (B, C) logits, or of (B, C, h, w) the one of most pixels.

    Background is only taken where there is nothing else.
    """
    if logits.ndim == 2:
        return logits.argmax(dim=1)
    won = logits.argmax(dim=1).flatten(1)
    counts = torch.stack([torch.bincount(one, minlength=logits.shape[1]) for one in won])  # (B, K)
    if "background" in names:
        there = counts.sum(dim=1) > counts[:, names.index("background")]
        counts[there, names.index("background")] = 0
    return counts.argmax(dim=1)


def pixel_score(labels: Tensor, weights: Tensor, text: str) -> Score:
    """The mean logit of (B or 1,) classes over fixed pixels, (B or 1, h, w) weights at the logits' size."""

    def number(network: nn.Module, subject: Subject) -> Tensor:
        logits = logits_in(run(network, subject))
        return weighted_mean(logits, labels.to(logits.device).expand(len(logits)), weights)

    return Score(text, number, labels)


def weighted_mean(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """(B,) mean of each picture's (B,) class over its (B or 1, h, w) weights, of (B, K, h, w) logits."""
    own = logits[torch.arange(len(logits), device=logits.device), labels]  # (B, h, w)
    return (own * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def _region(
    box: Box | None,
    mask: Tensor | None,
    subject: Subject,
    network: nn.Module,
    logits: Tensor,
) -> Tensor:
    """(1, h, w) how much of each cell of the logits lies in a region of the picture."""
    height, width = subject.picture_size
    if mask is None:
        assert box is not None
        mask = torch.zeros(height, width)
        x1, y1, x2, y2 = box
        mask[
            max(math.floor(y1), 0) : max(math.ceil(y2), 0), max(math.floor(x1), 0) : max(math.ceil(x2), 0)
        ] = 1
    elif tuple(mask.shape) != (height, width):
        message = f"the region's mask is {tuple(mask.shape)}, the picture {(height, width)}"
        raise OcellusError(f"{message}: (H, W) of both must agree", exit_code=2)
    weights = F.interpolate(mask[None, None].to(logits.device).float(), size=subject.size, mode="area")
    below, beside = (side - own for side, own in zip(subject.images.shape[2:], subject.size, strict=True))
    weights = F.pad(weights, (0, beside, 0, below))
    margin = int(getattr(network, "margin", 0))  # a valid network's answer is smaller than its input
    if margin:
        weights = weights[:, :, margin:-margin, margin:-margin]
    weights = F.interpolate(weights, size=logits.shape[2:], mode="area")[0]
    if not weights.any():
        given = "mask" if box is None else "box " + ",".join(f"{side:g}" for side in box)
        raise OcellusError(
            f"the region's {given} holds no pixel of the {width} x {height} picture", exit_code=2
        )
    return weights
