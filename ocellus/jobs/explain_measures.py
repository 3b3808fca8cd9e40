"""How far a heat map can be trusted: what `ocellus explain --measure` measures of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou

from ocellus.jobs.answers import Answers, probabilities
from ocellus.jobs.explaining import Method
from ocellus.metrics.explanations import Curve, deletion, insertion
from ocellus.metrics.pointing import pointing_hit, share_inside
from ocellus.metrics.randomisation import Randomisation, randomisation
from ocellus.nn.hooks import untouched
from ocellus.nn.subject import Score, Subject, run
from ocellus.values import Heatmap

BASELINES = {"deletion": ("mean", "blur"), "insertion": ("blur", "mean")}
"""What stands for an empty picture; the first is that of Petsiuk 2018, and is drawn."""

BOX_SHARE = 0.2
"""A map's box is around what is above this share of its largest value (Zhou 2016, section 3.2)."""

PROBABILITY, RELATIVE = "probability of the class", "answer, 0 for nothing and 1 for the whole picture"


def curves_of(
    network: nn.Module,
    subject: Subject,
    score: Score,
    answers: Answers,
    heat: Heatmap,
    *,
    steps: int = 32,
) -> tuple[dict[str, Curve], str]:
    """Insertion and deletion for each baseline, and what their values are.

    Of a classifier's class they are its probability, as published. Other answers (a detection's, a region's,
    a unit's) have no bounds, and are shown as a share of what the whole picture gives.

    Args:
        network: left as it was.
        subject: the one picture.
        score: the answer, settled.
        answers: what the network can answer.
        heat: the map, of the picture's own size.
        steps: points of each curve.
    """
    label = score.labels
    by_class = answers.classes > 0 and label is not None

    def numbers(images: Tensor) -> Tensor:
        changed = subject._replace(images=images)
        if by_class and label is not None:
            return probabilities(run(network, changed), int(label[0]))
        return score.ask(network, changed).values

    values = _seen(heat.values, subject)
    curves = {}
    with untouched(network), torch.no_grad():
        for kind, make in (("deletion", deletion), ("insertion", insertion)):
            for baseline in BASELINES[kind]:
                curve = make(numbers, subject.images, values, baseline=baseline, steps=steps)
                curves[f"{kind}/{baseline}"] = curve if by_class else curve.relative()
    return curves, PROBABILITY if by_class else RELATIVE


def check_of(
    network: nn.Module, subject: Subject, score: Score, method: Method, *, layer: str = ""
) -> Randomisation:
    """The check with thrown weights, layer after layer from the answer down.

    Args:
        network: left as it was; copies are changed.
        subject: the one picture.
        score: the answer, settled.
        method: explains it each time.
        layer: the layer that is looked at, where the method looks at one.
    """

    def maps(changed: nn.Module) -> Tensor:
        heat = method.explain(changed, subject, layer=layer or None, score=score, config=method.config)
        return heat.values

    return randomisation(network, maps)


def placed(heat: Heatmap, truth: Sequence[tuple[float, float, float, float]]) -> dict[str, float]:
    """Whether a map lies on the object: "pointing" (1 or 0), "inside" and "overlap".

    Args:
        heat: the map.
        truth: boxes x1, y1, x2, y2 of the object, in pixels of the picture.
    """
    boxes = torch.tensor(list(truth))
    box = heat.box(BOX_SHARE)
    return {
        "pointing": float(pointing_hit(heat.values, boxes=boxes)),
        "inside": share_inside(heat.values, boxes=boxes),
        "overlap": 0.0 if box is None else float(box_iou(box[None], boxes).amax()),
    }


def _seen(values: Tensor, subject: Subject) -> Tensor:
    """(h, w) a map (H, W) of the picture, at the size at which the network sees it."""
    if tuple(values.shape) == subject.size:
        return values
    resized: Tensor = F.interpolate(
        values[None, None], size=subject.size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0, 0]
