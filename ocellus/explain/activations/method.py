"""What a layer's units answer to a picture, and what becomes of the network's answer without some of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.explain.activations.config import Config
from ocellus.nn.class_scores import logits_in
from ocellus.nn.hooks import untouched
from ocellus.nn.scores import as_score
from ocellus.nn.spatial_layer import last_spatial_layer
from ocellus.nn.subject import Score, Subject, run, subject_of
from ocellus.nn.units import check_units, silenced, takes_pictures, unit_maps
from ocellus.values import Activations, Masking, Picture

ORDERS = ("strongest", "varied", "index")


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject,
    *,
    layer: str | None = None,
    score: Score | int | None = None,
    names: tuple[str, ...] = (),
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Activations:
    """The maps of some of a layer's units.

    Args:
        network: any; it is left as it was.
        image: a picture, or (C, H, W) or (1, C, H, W) floats.
        layer: the layer; None: the last one that has maps.
        score: the answer that masking is to change, or a class's index; None: the network's top answer.
        names: class names, where known.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: a picture, a layer, units or a setting that there is not.
    """
    config = Config() if config is None else config
    if config.order not in ORDERS:
        message = f"order is {config.order!r}; there is {', '.join(ORDERS)}"
        raise OcellusError(message, exit_code=2)
    if config.mask and config.keep:
        raise OcellusError("mask and keep were both given: name the units of one of them", exit_code=2)
    with untouched(network), torch.no_grad():
        subject = subject_of(network, image, preprocess=preprocess)
        if len(subject.images) != 1:
            message = f"{len(subject.images)} pictures were given: call explain for each"
            raise OcellusError(message, exit_code=2)
        if layer is None:
            with takes_pictures(network, subject):
                layer = last_spatial_layer(network, subject)
        asked = as_score(score, names)
        masking = None
        if config.mask or config.keep:
            place = config.mask_layer or layer
            gone, count = _gone(network, subject, place, config)
            masking = _masked(network, subject, asked, place, gone, count, names)
            with silenced(network, place, gone, size=tuple(subject.images.shape[2:])):
                maps = unit_maps(network, subject, layer)[0].float().cpu()
        else:
            maps = unit_maps(network, subject, layer)[0].float().cpu()
        check_units(config.units, len(maps), layer)
        chosen = config.units or tuple(_chosen(maps, config))
        effects, target = None, masking.target if masking else ""
        if config.effects:
            effects, target = _effects(network, subject, asked, layer, chosen)
    return Activations(
        values=maps[list(chosen)].contiguous(),
        channels=chosen,
        count=len(maps),
        asleep=int((maps.flatten(1).amax(dim=1) <= 0).sum()),
        layer=layer,
        effects=effects,
        target=target,
        masking=masking,
        picture=subject.picture,
    )


def _chosen(maps: Tensor, config: Config) -> list[int]:
    """The units of (C, h, w) maps that are shown; of equals the first comes first."""
    if config.most < 1:
        raise OcellusError(f"most is {config.most}; it is 1 or more", exit_code=2)
    flat = maps.flatten(1).nan_to_num(0.0, 0.0, 0.0)
    figures = {
        "strongest": flat.amax(dim=1),
        "varied": flat.std(dim=1),
        "index": -torch.arange(len(flat), dtype=torch.float32),
    }[config.order]
    order: list[int] = figures.argsort(descending=True, stable=True)[: config.most].tolist()
    return order


def _gone(network: nn.Module, subject: Subject, layer: str, config: Config) -> tuple[list[int], int]:
    """The units of a layer that are silenced, and how many it has."""
    count = unit_maps(network, subject, layer).shape[1]
    check_units((*config.mask, *config.keep), count, layer)
    kept = set(config.keep)
    gone = [unit for unit in range(count) if unit not in kept] if kept else sorted(set(config.mask))
    return gone, count


def _masked(
    network: nn.Module,
    subject: Subject,
    asked: Score,
    layer: str,
    gone: list[int],
    count: int,
    names: tuple[str, ...],
) -> Masking:
    """What becomes of an answer without some units."""
    answer = asked.ask(network, subject)
    settled = answer.settled
    with silenced(network, layer, gone, size=tuple(subject.images.shape[2:])):
        after = settled.ask(network, subject).values
    shares, first = None, []
    logits = [logits_in(run(network, subject)).float()] if settled.labels is not None else []
    if logits and logits[0].ndim == 2 and settled.labels is not None:
        with silenced(network, layer, gone, size=tuple(subject.images.shape[2:])):
            logits.append(logits_in(run(network, subject)).float())
        label = int(settled.labels[0])
        before_share, after_share = (float(one.softmax(dim=1)[0, label]) for one in logits)
        shares = (before_share, after_share)
        for one in logits:
            share, best = one.softmax(dim=1)[0].max(dim=0)
            name = names[int(best)] if int(best) < len(names) else f"class {int(best)}"
            first.append((name, float(share)))
    return Masking(
        layer=layer, silenced=len(gone), units=count, target=settled.text, before=float(answer.values[0]),
        after=float(after[0]), shares=shares, first=tuple(first),
    )  # fmt: skip


def _effects(
    network: nn.Module, subject: Subject, asked: Score, layer: str, chosen: tuple[int, ...]
) -> tuple[Tensor, str]:
    """(n,) by how much an answer falls without each of some units, and the answer's name."""
    answer = asked.ask(network, subject)
    falls = []
    for unit in chosen:
        with silenced(network, layer, [unit], size=tuple(subject.images.shape[2:])):
            falls.append(float(answer.values[0] - answer.settled.ask(network, subject).values[0]))
    return torch.tensor(falls), answer.settled.text
