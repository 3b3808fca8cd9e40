"""What a network answers with, and which of its answers is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ocellus.data.images import read_picture
from ocellus.errors import OcellusError
from ocellus.jobs.explainable import Explainable
from ocellus.nn.class_scores import class_score, makes_pictures
from ocellus.nn.detection_scores import is_detections
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import logits_in, parse_target, similarity
from ocellus.nn.subject import Score, Subject, is_two_stage, run

TOP = 5
FORMS = {
    "class": "class:NAME",
    "box": "box:0",
    "mask": "mask:0",
    "keypoint": "keypoint:0,3",
    "region": "region:x1,y1,x2,y2[:NAME]",
    "verdict": "verdict",
    "like": "like:PICTURE",
    "unit": "unit:LAYER,CHANNEL",
    "top": "top",
}
"""Kinds of target, and how they are written."""


class Answers(NamedTuple):
    """What a network says of one picture."""

    kinds: tuple[str, ...]  # of FORMS, those that it can answer
    top: tuple[tuple[str, float], ...]  # the first few: what, and a score from 0 to 1
    classes: int  # of a classifier; 0: it is none
    first: int = -1  # the class that `ocellus run` answers with, where it looks at a part of the picture only


def answers_of(ready: Explainable, subject: Subject) -> Answers:
    """What a network says of one picture.

    A classifier of ours that looks at the middle of pictures answers as it does in `ocellus run`: it is its
    answer that is explained, though the map is of the whole picture.

    Args:
        ready: the network; left as it was.
        subject: the picture.
    """
    network = ready.network
    with untouched(network), torch.no_grad():
        output = run(network, subject)
    if is_two_stage(network):
        kept = output.valid[0]
        branches = [name for name in ("mask", "keypoint") if getattr(network, name, None) is not None]
        top = _objects(output.labels[0][kept], output.scores[0][kept], ready.names)
        return Answers(("box", *branches, "unit", "top"), top, 0)
    if makes_pictures(output):  # its colors would pass for classes
        return Answers(("unit",), (), 0)
    if is_detections(output):
        return Answers(
            ("box", "unit", "top"), _objects(output[0]["labels"], output[0]["scores"], ready.names), 0
        )
    logits = logits_in(output)
    if logits.ndim == 2 and logits.shape[1] > 1:
        shares, first = logits[0].float().softmax(dim=0), -1
        if ready.classify is not None and subject.picture is not None:
            with untouched(network), torch.no_grad():
                shares = ready.classify(subject.picture).probabilities
            first = int(shares.argmax())
        top = _best(shares, ready.names)
        return Answers(("class", "like", "unit", "top"), top, logits.shape[1], first)
    if logits.ndim == 4 and logits.shape[1] > 1:
        won = logits[0].argmax(dim=0).flatten()
        shares = torch.bincount(won, minlength=logits.shape[1]).float() / len(won)
        return Answers(("class", "region", "like", "unit", "top"), _best(shares, ready.names), 0)
    return Answers(("verdict", "like", "unit", "top"), (), 0)


def score_of(target: str, ready: Explainable, answers: Answers) -> Score:
    """The answer that is explained, from its name on the command line.

    Args:
        target: as `ocellus.nn.scores.parse_target` takes it, or "like:PICTURE", how alike the network's
            numbers are to those of another picture.
        ready: the network.
        answers: what it can answer.

    Raises:
        OcellusError: no such kind of target or no such class, with the nearest; or one that this network
            cannot answer. Exit code 2.
    """
    kind, _, rest = (target or "top").partition(":")
    if kind in FORMS and kind not in answers.kinds:
        can = " or ".join(f"--target {FORMS[one]}" for one in FORMS if one in answers.kinds)
        message = f"{ready.source} cannot answer {target}"
        raise OcellusError(f"{message}: give {can}", exit_code=2)
    if kind == "like":
        return _likeness(rest, ready)
    names = ready.names
    if kind == "top" and answers.first >= 0:
        shown = names[answers.first] if answers.first < len(names) else str(answers.first)
        return class_score(answers.first, name=shown)
    if kind == "class" and not names and answers.classes:  # so that a number out of range is told here
        names = tuple(str(index) for index in range(answers.classes))
    return parse_target(target, names)


def _likeness(path: str, ready: Explainable) -> Score:
    if not path:
        raise OcellusError("--target like: wants a picture, as like:other.jpg", exit_code=2)
    other = ready.subject(read_picture(Path(path), channels=ready.channels))
    with untouched(ready.network), torch.no_grad():
        numbers = logits_in(run(ready.network, other)).float()
    embedding = numbers.mean(dim=(2, 3)) if numbers.ndim == 4 else numbers.flatten(1)
    return similarity(embedding[0], name=Path(path).name)


def probabilities(output: Any, label: int) -> Tensor:
    """(B,) the probability of a class in what a classifier puts out."""
    return logits_in(output).float().softmax(dim=1)[:, label]


def _objects(labels: Tensor, scores: Tensor, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    rows = zip(labels[:TOP].tolist(), scores[:TOP].tolist(), strict=True)
    return tuple((f"box {index}: {_name(label, names)}", score) for index, (label, score) in enumerate(rows))


def _best(shares: Tensor, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    values, order = shares.topk(min(TOP, len(shares)))
    rows = zip(order.tolist(), values.tolist(), strict=True)
    return tuple((_name(label, names), value) for label, value in rows if value > 0)


def _name(label: int, names: tuple[str, ...]) -> str:
    return names[label] if label < len(names) else f"class {label}"
