"""A detection's class, its mask and its keypoints as numbers that have a gradient.

What a two-stage detector found is looked up without a gradient: a box, a class, the mask's inside. Then the
box stays where it is, and the picture's features inside it are scored again, with a gradient: image ->
features -> RoIAlign -> head. Through the choice of boxes (sorting, suppression) no gradient could go.

Other detectors (torchvision's, whose output is a list of dictionaries with boxes, labels and scores) are
asked as they are: the score of the detection, and in a changed picture the best product of score and overlap
among the detections of that class, as D-RISE measures it (Petsiuk 2021, arXiv:2006.03204, equation 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from ocellus.errors import OcellusError
from ocellus.nn.ragged import batch_rois
from ocellus.nn.subject import Answer, Score, Subject, features_of, is_two_stage, run


class _Found(NamedTuple):
    box: Tensor  # (4,) in pixels of the network's input
    label: int
    name: str


def box_score(index: int, *, names: tuple[str, ...] = ()) -> Score:
    """The class logit of a detection, the best first; of detectors that give no logits, its score.

    Args:
        index: which, in the order of `predict`.
        names: class names, where known.

    Raises:
        OcellusError: when asked of a network without such answers, or where fewer objects are found.
    """

    def look(network: nn.Module, subject: Subject) -> Answer:
        if not is_two_stage(network):
            return _foreign_box(network, subject, index, names)
        found = _find(network, subject, index, names)
        return _settled(f"box {index} ({found.name})", found, _box_logit).ask(network, subject)

    return Score(f"box {index}", look)


def mask_score(index: int, *, names: tuple[str, ...] = ()) -> Score:
    """The mean mask logit of a detection over what the mask holds.

    Args:
        index: which, in the order of `predict`.
        names: class names, where known.

    Raises:
        OcellusError: when asked of a network without such answers, or where fewer objects are found.
    """

    def look(network: nn.Module, subject: Subject) -> Answer:
        _need(network, "mask")
        found = _find(network, subject, index, names)
        with torch.no_grad():
            inside = _mask_logits(network, subject, found)[:1] > 0  # (1, m, m)
        inside = inside if inside.any() else torch.ones_like(inside)

        def mean(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
            logits = _mask_logits(network, subject, found)
            return (logits * inside).sum(dim=(1, 2)) / inside.sum()

        return _settled(f"mask {index} ({found.name})", found, mean).ask(network, subject)

    return Score(f"mask {index}", look)


def keypoint_score(index: int, point: int, *, names: tuple[str, ...] = ()) -> Score:
    """The logit of a detection's keypoint at the place where it was found.

    Args:
        index: which detection, in the order of `predict`.
        point: which keypoint of it.
        names: class names, where known.

    Raises:
        OcellusError: when asked of a network without keypoints, or without this object or point.
    """

    def look(network: nn.Module, subject: Subject) -> Answer:
        _need(network, "keypoint")
        found = _find(network, subject, index, names)
        with torch.no_grad():
            maps = _keypoint_logits(network, subject, found)
        count = maps.shape[1]
        if not 0 <= point < count:
            message = f"keypoint {point} was asked for, an object has {count}: 0 to {count - 1}"
            raise OcellusError(message, exit_code=2)
        peak = int(maps[0, point].argmax())

        def logit(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
            return _keypoint_logits(network, subject, found)[:, point].flatten(1)[:, peak]

        text = f"keypoint {point} of box {index} ({found.name})"
        return _settled(text, found, logit).ask(network, subject)

    return Score(f"keypoint {index},{point}", look)


def is_detections(output: Any) -> bool:
    """Whether a network put out a list of dictionaries of boxes, labels and scores, one a picture."""
    wanted = {"boxes", "labels", "scores"}
    return isinstance(output, (list, tuple)) and all(
        isinstance(entry, dict) and wanted <= set(entry) for entry in output
    )


def _settled(text: str, found: _Found, number: Callable[[nn.Module, Subject, _Found], Tensor]) -> Score:
    """A number of a fixed box."""

    return Score(text, lambda network, subject: number(network, subject, found), local=True)


def _find(network: nn.Module, subject: Subject, index: int, names: tuple[str, ...]) -> _Found:
    """A detection in the one picture of a subject."""
    with torch.no_grad():
        raw = run(network, subject)
    kept = raw.valid[0]
    return _chosen(raw.boxes[0][kept], raw.labels[0][kept], index, names)


def _chosen(boxes: Tensor, labels: Tensor, index: int, names: tuple[str, ...]) -> _Found:
    if not 0 <= index < len(boxes):
        found = f"{len(boxes)} objects (0 to {len(boxes) - 1})" if len(boxes) else "no object"
        message = f"object {index} was asked for, and the network found {found} in this picture"
        raise OcellusError(f"{message}: give another index, or lower the network's score_threshold")
    label = int(labels[index])
    return _Found(boxes[index].detach(), label, names[label] if label < len(names) else str(label))


def _need(network: nn.Module, branch: str) -> None:
    if not is_two_stage(network) or getattr(network, branch, None) is None:
        message = f"this {type(network).__name__} has no {branch} branch whose answer could be explained"
        raise OcellusError(f"{message}: explain box:0, or class:NAME", exit_code=2)


def _regions(subject: Subject, box: Tensor) -> Tensor:
    """(B, 5) the same box in each picture."""
    return batch_rois([box[None]] * len(subject.images))


def _box_logit(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
    regions = _regions(subject, found.box)
    logits, _ = network.heads(features_of(network, subject), regions)  # type: ignore[operator]
    background_last = bool(getattr(getattr(network, "config", None), "background_last", False))
    values: Tensor = logits[:, found.label + (0 if background_last else 1)]
    return values


def _mask_logits(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
    regions = _regions(subject, found.box)
    labels = torch.full((len(regions),), found.label, device=regions.device)
    logits: Tensor = network.masks(features_of(network, subject), regions, labels)  # type: ignore[operator]
    return logits


def _keypoint_logits(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
    features = features_of(network, subject)
    logits: Tensor = network.keypoints(features, _regions(subject, found.box))  # type: ignore[operator]
    return logits


def _foreign_box(network: nn.Module, subject: Subject, index: int, names: tuple[str, ...]) -> Answer:
    output = run(network, subject)
    if not is_detections(output):
        message = f"this {type(network).__name__} puts out no boxes that could be explained"
        raise OcellusError(
            f"{message}: explain class:NAME, or take a number out with output_score", exit_code=2
        )
    found = _chosen(output[0]["boxes"], output[0]["labels"], index, names)
    text = f"box {index} ({found.name})"

    def best(network: nn.Module, subject: Subject, found: _Found) -> Tensor:
        return torch.stack([_best(entry, found) for entry in run(network, subject)])

    return Answer(output[0]["scores"][index][None], _settled(text, found, best))


def _best(entry: dict[str, Tensor], found: _Found) -> Tensor:
    """The best product of score and overlap with the box, among detections of its class; 0 without any."""
    same = entry["labels"] == found.label
    if not same.any():
        return entry["scores"].sum() * 0
    overlap: Tensor = box_iou(entry["boxes"][same].detach(), found.box[None])[:, 0]
    return (entry["scores"][same] * overlap).amax()
