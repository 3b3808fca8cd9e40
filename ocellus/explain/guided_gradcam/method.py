"""Guided backpropagation, multiplied by Grad-CAM; arXiv:1610.02391, section 3.2."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.explain.gradcam.method import gradcam_maps
from ocellus.explain.guided_backprop.method import guided_gradients
from ocellus.explain.guided_gradcam.config import Config
from ocellus.nn.hooks import untouched
from ocellus.nn.map_parts import joined
from ocellus.nn.scores import as_score
from ocellus.nn.spatial_layer import last_spatial_layer
from ocellus.nn.subject import Score, Subject, heatmap, subject_of
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
    """Which details of a picture, inside the region that speaks for an answer, excite the network.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: Grad-CAM's layer; None: the last one that has maps.
        score: the answer, or a class's index; None: the network's top answer.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Returns:
        The map, and in `channels` the product for each color.

    Raises:
        OcellusError: a picture, a layer, an answer or a setting that cannot be explained.
    """
    config = Config() if config is None else config
    with untouched(network):
        subject = subject_of(network, image, preprocess=preprocess)
        asked = as_score(score)
        if layer is None:
            layer = last_spatial_layer(network, subject, score=asked)
        maps, answer = gradcam_maps(network, subject, asked, layer=layer)
        gradient, _ = guided_gradients(network, subject, answer.settled)
        size = gradient.shape[2:]
        region = F.interpolate(maps.clamp(min=0)[:, None], size=size, mode="bilinear", align_corners=False)
        product = gradient * region
        return heatmap(
            joined(product, config.colors), subject, method="guided_gradcam", target=answer.settled.text,
            layer=layer, signed=config.colors == "sum", channels=product,
        )  # fmt: skip
