"""The gradient of an answer with respect to the pixels; arXiv:1312.6034, section 3."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ocellus.explain.saliency.config import Config
from ocellus.nn.gradients import pixel_gradients
from ocellus.nn.hooks import untouched
from ocellus.nn.map_parts import joined
from ocellus.nn.scores import as_score
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
    """Where a small change of a pixel would change the answer most.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: not used: this method goes to the pixels.
        score: the answer, or a class's index; None: the network's top answer.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Returns:
        The map, and in `channels` the gradient of each color.

    Raises:
        OcellusError: a picture, an answer or a setting that cannot be explained.
    """
    config = Config() if config is None else config
    with untouched(network):
        subject = subject_of(network, image, preprocess=preprocess)
        gradient, answer = pixel_gradients(network, subject, as_score(score))
        return heatmap(
            joined(gradient, config.colors), subject, method="saliency", target=answer.settled.text,
            signed=config.colors == "sum", channels=gradient,
        )  # fmt: skip
