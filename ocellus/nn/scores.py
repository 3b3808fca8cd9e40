"""Which answer is explained: a class, a region of a segmentation, a verdict, a likeness, a unit.

Each function makes a `Score` (`ocellus.nn.subject`); those of detections are in
`ocellus.nn.detection_scores`. `parse_target` makes one from what is written on the command line. Scores are
logits, not probabilities: a softmax mixes in how the other classes did, and its gradient vanishes where the
network is sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.class_scores import class_score, logits_in, pixel_score, region_score, weighted_mean, winners
from ocellus.nn.detection_scores import box_score, is_detections, keypoint_score, mask_score
from ocellus.nn.hooks import recorded, tensors_in
from ocellus.nn.spatial_layer import channels_first
from ocellus.nn.subject import Answer, Score, Subject, is_two_stage, run

__all__ = [
    "box_score", "class_score", "keypoint_score", "logits_in", "mask_score", "output_score", "parse_target",
    "region_score", "similarity", "top", "unit_score", "verdict",
]  # fmt: skip

FORMS = (
    "class:NAME, box:0, mask:0, keypoint:0,3, region:x1,y1,x2,y2[:NAME], verdict, unit:LAYER,CHANNEL or top"
)


def top(names: tuple[str, ...] = ()) -> Score:
    """The answer that the network itself gives first.

    A classifier's likeliest class; a segmenter's class of most pixels, background aside; a detector's best
    box; a discriminator's verdict.

    Args:
        names: class names, where known.
    """

    def number(network: nn.Module, subject: Subject) -> Answer:
        if is_two_stage(network):
            return box_score(0, names=names).ask(network, subject)
        output = run(network, subject)
        if is_detections(output):
            return box_score(0, names=names).ask(network, subject)
        logits = logits_in(output)
        if logits.ndim in (2, 4) and logits.shape[1] > 1:
            labels = winners(logits.detach(), names)
            found = class_score(labels, name=", ".join(_name(label, names) for label in labels.tolist()))
            if logits.ndim == 2:
                return Answer(logits.gather(1, labels[:, None])[:, 0], found)
            won = (logits.detach().argmax(dim=1) == labels[:, None, None]).float()
            return Answer(weighted_mean(logits, labels, won), pixel_score(labels, won, found.text))
        return Answer(_mean(output), verdict())

    return Score("top", number)


def verdict(*, real: bool = True) -> Score:
    """What a discriminator says of a picture as a whole: the mean of all it puts out, for each picture.

    Args:
        real: what speaks for "real"; False: the opposite sign, what speaks for "fake".
    """

    def number(network: nn.Module, subject: Subject) -> Tensor:
        values = _mean(run(network, subject))
        return values if real else -values

    return Score(f"verdict {'real' if real else 'fake'}", number)


def similarity(embedding: Tensor, *, name: str = "the other picture") -> Score:
    """How alike a picture's embedding is to a given one: the cosine of the angle between them.

    Args:
        embedding: (D,) of what it is compared with. Maps are averaged over their places.
        name: what to call it.

    Raises:
        OcellusError: when asked of a network whose embedding has another length. Exit code 2.
    """

    def number(network: nn.Module, subject: Subject) -> Tensor:
        own = logits_in(run(network, subject)).float()
        own = own.mean(dim=(2, 3)) if own.ndim == 4 else own.flatten(1)
        if own.shape[1] != embedding.numel():
            message = f"the network's embedding has {own.shape[1]} numbers, the given one {embedding.numel()}"
            raise OcellusError(f"{message}: compare embeddings of one network", exit_code=2)
        return F.cosine_similarity(own, embedding.to(own).reshape(1, -1))

    return Score(f"likeness to {name}", number)


def unit_score(layer: str, channel: int) -> Score:
    """The strongest place of one feature map, as a deconvnet projects it (Zeiler 2014, section 2.1).

    Args:
        layer: the layer's name.
        channel: which of its feature maps.

    Raises:
        OcellusError: when asked of a network without such a unit. Exit code 2.
    """

    def number(network: nn.Module, subject: Subject) -> Tensor:
        with recorded(network, [layer], gradients=torch.is_grad_enabled()) as record:
            run(network, subject)
        calls = record.activations[layer]
        given = calls[-1][0] if calls and calls[-1] else None
        units = None if given is None else _units(given, subject)
        if units is None or len(units) != len(subject.images) or not 0 <= channel < units.shape[1]:
            what = "was not called" if not calls else "puts out no tensor"
            what = what if given is None else f"puts out {tuple(given.shape)}"
            raise OcellusError(f"there is no unit {channel} of {layer}: it {what}", exit_code=2)
        return units[:, channel].flatten(1).amax(dim=1)

    return Score(f"unit {channel} of {layer}", number)


def _units(given: Tensor, subject: Subject) -> Tensor | None:
    """(B, C, ...) what a layer puts out, its units second; tokens (B, T, D) and maps that keep channels last
    are turned. None where there are no units."""
    if given.ndim == 3:
        return given.transpose(1, 2)
    return channels_first(given, tuple(subject.images.shape[2:])) if given.ndim > 1 else None


def output_score(function: Callable[[Any], Tensor], *, text: str = "a number of its own") -> Score:
    """A number of one's own.

    Args:
        function: what the network puts out -> (B,) numbers, one of each picture.
        text: what to call it.
    """

    def number(network: nn.Module, subject: Subject) -> Tensor:
        return function(run(network, subject)).reshape(len(subject.images))

    return Score(text, number)


def as_score(score: Score | int | None, names: tuple[str, ...] = ()) -> Score:
    """What callers may write for a score: one, a class's index, or None for the top answer."""
    if score is None:
        return top(names)
    return class_score(score, name=_name(score, names)) if isinstance(score, int) else score


def parse_target(text: str, names: tuple[str, ...] = ()) -> Score:
    """A score from its name on the command line.

    Args:
        text: "class:tabby" or "class:281", "box:0", "mask:0", "keypoint:0,3" (the object's index, the
            point's), "region:x1,y1,x2,y2" or "region:x1,y1,x2,y2:road" in the picture's pixels, "verdict" or
            "verdict:fake", "unit:layer4,12", or "top".
        names: the network's class names.

    Raises:
        OcellusError: none of these, or no such class; the message has the nearest names. Exit code 2.
    """
    kind, _, rest = text.partition(":")
    if kind == "top" or not text:
        return top(names)
    if kind == "class" and rest:
        label = _label(rest, names)
        return class_score(label, name=_name(label, names))
    if kind in ("box", "mask") and rest.isdigit():
        return (box_score if kind == "box" else mask_score)(int(rest), names=names)
    if kind == "keypoint" and (numbers := _numbers(rest, 2)):
        return keypoint_score(int(numbers[0]), int(numbers[1]))
    if kind == "region" and (numbers := _numbers(rest.partition(":")[0], 4)):
        name = rest.partition(":")[2]
        chosen = _label(name, names) if name else None
        shown = _name(chosen, names) if chosen is not None else ""
        return region_score(chosen, box=(numbers[0], numbers[1], numbers[2], numbers[3]), name=shown)
    if kind == "verdict" and rest in ("", "real", "fake"):
        return verdict(real=rest != "fake")
    if kind == "unit" and rest.rpartition(",")[2].isdigit() and rest.rpartition(",")[0]:
        return unit_score(rest.rpartition(",")[0], int(rest.rpartition(",")[2]))
    raise OcellusError(f"--target {text!r} says nothing that can be explained: it takes {FORMS}", exit_code=2)


def _numbers(text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else []


def _label(text: str, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text)
    if text.isdigit() and (not names or int(text) < len(names)):
        return int(text)
    near = get_close_matches(text, names, n=3, cutoff=0.5) or names[:8]
    there = f"there is {', '.join(near)}" if names else "their names are not known, give a number"
    last = f" (0 to {len(names) - 1})" if names else ""
    raise OcellusError(f"the network has no class {text!r}{last}; {there}", exit_code=2)


def _name(label: int, names: tuple[str, ...]) -> str:
    return names[label] if 0 <= label < len(names) else str(label)


def _mean(output: Any) -> Tensor:
    """(B,) mean of each picture over all tensors, each of one weight, as multi-scale discriminators give."""
    parts = [tensor.float().reshape(len(tensor), -1).mean(dim=1) for tensor in tensors_in(output)]
    if not parts:
        logits_in(output)
    return torch.stack(parts).mean(dim=0)
