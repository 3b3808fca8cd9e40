"""Whether generated pictures are of the class they are meant to be, as a classifier sees it.

A judge that was looked at while the generator was tuned is no witness any more: report a second one that was
not. Of few samples the share is uncertain, so that it never stands without their number and an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ocellus.errors import OcellusError


class ClassScore(NamedTuple):
    """How often a judge names the class that is meant.

    Args:
        name: of the class.
        top1: share of the samples.
        low: lower end of the 95 % interval (Wilson 1927).
        high: upper end.
        samples: how many.
    """

    name: str
    top1: float
    low: float
    high: float
    samples: int


class ClassifierScore(NamedTuple):
    """A judge's verdict.

    Args:
        top1: mean over classes.
        classes: one by one.
        samples: in all.
        choices: classes that the judge chose among.
    """

    top1: float
    classes: tuple[ClassScore, ...]
    samples: int
    choices: int


def classifier_score(logits: Tensor, labels: Tensor, *, names: Sequence[str]) -> ClassifierScore:
    """The share of samples whose highest score is that of the class they are meant to be.

    Args:
        logits: (N, K) the judge's scores.
        labels: (N,) the judge's number of the class that each is meant to be.
        names: (K,) of the judge's classes.

    Raises:
        OcellusError: no samples, another number of names, or a class that the judge does not know.
    """
    if logits.ndim != 2 or len(logits) != len(labels) or not len(labels) or len(names) != logits.shape[1]:
        raise OcellusError(
            f"scores of {tuple(logits.shape)} for {len(labels)} labels and {len(names)} names: (N, K), N and "
            "K are wanted, with N of 1 or more"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= len(names):
        raise OcellusError(f"labels go to {int(labels.max())}; the judge knows 0 to {len(names) - 1}")
    right = (logits.argmax(dim=1) == labels).cpu()
    found = []
    for label in sorted(set(labels.tolist())):
        mine = right[labels.cpu() == label]
        found.append(_score(names[label], hits=int(mine.sum()), samples=len(mine)))
    mean = sum(score.top1 for score in found) / len(found)
    return ClassifierScore(top1=mean, classes=tuple(found), samples=len(labels), choices=len(names))


def judged(network: Callable[[Tensor], Any], images: Tensor, *, batch: int = 64) -> Tensor:
    """(N, K) a judge's scores of pictures.

    Args:
        network: in eval mode; answers with (B, K), or with something whose `logits` they are.
        images: (N, C, H, W) in [0, 1], as the judge takes them.
        batch: pictures at a time.
    """
    parts = []
    with torch.no_grad():
        for block in torch.split(images, batch):
            raw = network(block)
            parts.append(raw if isinstance(raw, Tensor) else raw.logits)
    return torch.cat(parts).float()


def _score(name: str, *, hits: int, samples: int) -> ClassScore:
    share, z = hits / samples, 1.96
    scale = 1 + z * z / samples
    middle = (share + z * z / (2 * samples)) / scale
    reach = z * math.sqrt(share * (1 - share) / samples + z * z / (4 * samples**2)) / scale
    return ClassScore(
        name=name,
        top1=share,
        low=max(0.0, middle - reach),
        high=min(1.0, middle + reach),
        samples=samples,
    )
