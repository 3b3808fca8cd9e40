"""A picture that climbs a class score until the network is sure; arXiv:1312.6034, section 2."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.explain.class_ascent.climb import Climb
from ocellus.explain.class_ascent.config import Config
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import as_score
from ocellus.nn.subject import Score, Subject, subject_of
from ocellus.nn.units import blank, takes_pictures
from ocellus.values import Ascent, Picture

OBJECTIVES = ("score", "probability", "auto")


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject | None = None,
    *,
    score: Score | int,
    names: tuple[str, ...] = (),
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Ascent:
    """The picture that climbing an answer leads to.

    Args:
        network: any; it is left as it was.
        image: where the climb begins; None: a grey square.
        score: a class's index, or any other answer: `ocellus.nn.scores`.
        names: class names, where known.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: no such class, a network that takes no pictures or gives no class scores, or a setting
            that there is not.
    """
    config = Config() if config is None else config
    _check(config)
    asked = as_score(score, names)
    with untouched(network):
        if image is None or (isinstance(image, Subject) and config.size):
            given = image.preprocess if isinstance(image, Subject) else preprocess
            subject = blank(network, side=config.size, preprocess=given)
        else:
            subject = subject_of(network, image, preprocess=preprocess)
        with takes_pictures(network, subject), torch.no_grad():
            asked = asked.ask(network, subject).settled
        climb = Climb(network, subject, asked, config)
        climb.go()
        return climb.ascent(names)


def _check(config: Config) -> None:
    if config.objective not in OBJECTIVES:
        message = f"objective is {config.objective!r}; there is {', '.join(OBJECTIVES)}"
        raise OcellusError(message, exit_code=2)
    if not 0 < config.sure < 1:
        raise OcellusError(f"sure is {config.sure:g}; it is a probability above 0 and below 1", exit_code=2)
    if config.size and config.size < 8:
        raise OcellusError(f"size is {config.size}; a picture needs 8 pixels or more", exit_code=2)
    for name, least in (("steps", 1), ("least", 0), ("blur_every", 1), ("jitter", 0)):
        if getattr(config, name) < least:
            raise OcellusError(f"{name} is {getattr(config, name)}; it is {least} or more", exit_code=2)
    for name in ("rate", "decay", "variation", "blur", "noise"):
        if getattr(config, name) < 0:
            raise OcellusError(f"{name} is {getattr(config, name):g}; it is 0 or more", exit_code=2)
