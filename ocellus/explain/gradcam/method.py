"""A layer's maps, weighted by the gradient of an answer; arXiv:1610.02391, section 3."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.explain.gradcam.config import Config
from ocellus.nn.gradients import layer_gradients
from ocellus.nn.hooks import untouched
from ocellus.nn.map_parts import chosen_part
from ocellus.nn.scores import as_score
from ocellus.nn.spatial_layer import last_spatial_layer
from ocellus.nn.subject import Answer, Score, Subject, heatmap, subject_of
from ocellus.values import Heatmap, Picture


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    layer: str | None = None,
    score: Score | int | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Heatmap:
    """Which region of a picture speaks for an answer.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: the layer whose maps are weighted; None: the last one that has maps.
        score: the answer, or a class's index; None: the network's top answer.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: a picture, a layer, an answer or a setting that cannot be explained.
    """
    config = Config() if config is None else config
    with untouched(network):
        subject = subject_of(network, image, preprocess=preprocess)
        asked = as_score(score)
        if layer is None:
            layer = last_spatial_layer(network, subject, score=asked)
        maps, answer = gradcam_maps(network, subject, asked, layer=layer, weights=config.weights)
        return heatmap(
            chosen_part(maps, config.part), subject, method="gradcam", target=answer.settled.text,
            layer=layer, signed=config.part == "both",
        )  # fmt: skip


def gradcam_maps(
    network: nn.Module, subject: Subject, score: Score, *, layer: str, weights: str = "auto"
) -> tuple[Tensor, Answer]:
    """Grad-CAM of a batch before its ReLU: the linear combination of equation 2.

    With A_k the layer's maps and y the answer, the weight of map k is a_k = mean over places of dy / dA_k
    (equation 1), and the map is sum over k of a_k A_k. A layer that puts out several maps of different
    resolution, a pyramid, has one for each, which are enlarged to the finest and added, each cell's share
    spread over the cells that it becomes.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the pictures, (B, C, H, W).
        score: the answer.
        layer: a name.
        weights: "mean", "place" or "auto"; see `Config`.

    Returns:
        (B, h, w) float32 at the layer's resolution, and the answer.

    Raises:
        OcellusError: no such layer or weights, or no path for gradients. Exit code 2.
    """
    if weights not in ("auto", "mean", "place"):
        raise OcellusError(f"weights is {weights!r}; it is auto, mean or place", exit_code=2)
    found = layer_gradients(network, subject, score, layer)
    places = weights == "place" or (weights == "auto" and found.answer.settled.local)
    total: Tensor | None = None
    pairs = zip(found.activations, found.gradients, strict=True)
    for activation, gradient in sorted(pairs, key=lambda pair: -pair[0].shape[2]):
        if places:
            combined = (gradient.float() * activation.float()).sum(dim=1)
        else:
            mean = gradient.float().mean(dim=(2, 3))  # (B, C), equation 1
            combined = torch.einsum("bc,bchw->bhw", mean, activation.float())
        if total is not None and combined.shape != total.shape:
            share = combined[0].numel() / total[0].numel()
            combined = F.interpolate(combined[:, None], size=total.shape[1:], mode="bilinear")[:, 0] * share
        total = combined if total is None else total + combined
    assert total is not None
    return total, found.answer
