"""The gradient with respect to the pixels, of which only what is positive passes a ReLU; arXiv:1412.6806."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ocellus.explain.guided_backprop.config import Config
from ocellus.nn.gradients import pixel_gradients
from ocellus.nn.hooks import untouched
from ocellus.nn.map_parts import joined
from ocellus.nn.relu_rules import relu_rule
from ocellus.nn.scores import as_score
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
    """Which pixels excite what speaks for the answer: gradients that pass only units they excite.

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
        gradient, answer = guided_gradients(network, subject, as_score(score))
        return heatmap(
            joined(gradient, config.colors), subject, method="guided_backprop", target=answer.settled.text,
            signed=config.colors == "sum", channels=gradient,
        )  # fmt: skip


def guided_gradients(network: nn.Module, subject: Subject, score: Score) -> tuple[Tensor, Answer]:
    """(B, C, h, w) guided gradients of pictures, and the answer; see `pixel_gradients`."""
    with relu_rule("guided"):
        return pixel_gradients(network, subject, score)
