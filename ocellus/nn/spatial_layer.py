"""Which layer to look at when none is named: the last one that still knows where things are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.hooks import hooked, is_spatial, tensors_in, untouched
from ocellus.nn.subject import Score, Subject, features_of, is_two_stage, run, subject_of
from ocellus.values import Picture

PASSING = ("Pool", "Dropout", "Identity", "Upsample", "Flatten")
"""Kinds of module, by a part of the class's name, that only pass on what a layer before them found."""

SHARES = ("Softmax",)
"""Kinds that put out shares: of attention, (B, heads, tokens, tokens), which is no map, or of the answer."""


def last_spatial_layer(
    network: nn.Module, image: Picture | Tensor | Subject, *, score: Score | None = None
) -> str:
    """The name of the last layer whose output is a map of the picture.

    Not counted: pooling, dropout and resizing; maps with one channel a class, which are the answer itself;
    maps of regions, whose shape is not the picture's; attention. Of a two-stage detector only what comes
    before its regions is looked at, the feature pyramid.

    Args:
        network: any; left as it was.
        image: what to run it on.
        score: only layers that this number depends on, by a path that gradients can go.

    Raises:
        OcellusError: there is none. Exit code 2.
    """
    with untouched(network):
        subject = subject_of(network, image)
        if is_two_stage(network):
            with torch.no_grad():
                found = _maps(network, subject, lambda: features_of(network, subject))
        elif score is None:
            with torch.no_grad():
                found = _maps(network, subject, lambda: run(network, subject))
        else:
            asked = subject._replace(images=subject.images.detach().requires_grad_())
            answers: list[Tensor] = []
            found = _maps(network, subject, lambda: answers.append(score.ask(network, asked).values))
            reached = _behind(answers[0])
            found = [entry for entry in found if entry.node in reached]
    if not found:
        message = f"no layer of this {type(network).__name__} puts out a map of the picture"
        raise OcellusError(f"{message} that the answer depends on; name one (--layer)", exit_code=2)
    return found[-1].name


class _Map(NamedTuple):
    name: str
    channels: int
    node: Any  # of the graph of gradients, that made it


def _maps(network: nn.Module, subject: Subject, go: Callable[[], object]) -> list[_Map]:
    """The layers that put out maps of the picture, in the order of calls."""
    found: list[_Map] = []
    classes: set[int] = set()
    passed: list[Any] = [None]  # the last output of a layer that does not count
    kinds = {name: type(module).__name__ for name, module in network.named_modules()}
    size = tuple(subject.images.shape[2:])

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not name:
                classes.update(tensor.shape[1] for tensor in tensors_in(output) if tensor.ndim in (2, 4))
            # A block that ends in a pooling puts out the pooling's very tensor: it does not count either.
            elif output is passed[0] or any(word in kinds[name] for word in PASSING):
                # What gives back its very input (Identity) leaves a map of the layer before it a map.
                passed[0] = passed[0] if any(output is given for given in inputs) else output
            elif not any(word in kinds[name] for word in SHARES):
                pairs = [(tensor, channels_first(tensor, size)) for tensor in tensors_in(output)]
                found.extend(
                    _Map(name, maps.shape[1], tensor.grad_fn)
                    for tensor, maps in pairs
                    if is_spatial(maps) and len(maps) == len(subject.images) and _alike(maps.shape[2:], size)
                )

        return hook

    with hooked(network, note):
        go()
    return [entry for entry in found if entry.channels not in classes] or found


def channels_first(tensor: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps as (B, C, h, w): those of networks that keep channels last, (B, h, w, C), are turned.

    Args:
        tensor: what a layer puts out; anything else than such maps is given back as it is.
        size: h, w of the picture that the network is given, by whose shape the two are told apart. Where both
            could be (as many channels as columns), channels are taken to come first.
    """
    if tensor.ndim != 4 or _alike(tensor.shape[2:], size) or not _alike(tensor.shape[1:3], size):
        return tensor
    return tensor.permute(0, 3, 1, 2)


def _alike(shape: Sequence[int], size: tuple[int, ...]) -> bool:
    """Whether a map of (h, w) has the shape of the picture, as far as whole cells allow."""
    down, across = size[0] / shape[0], size[1] / shape[1]
    return max(down, across) / min(down, across) < 1.5


def _behind(values: Tensor) -> set[Any]:
    """The nodes of the graph that values were computed from."""
    seen: set[Any] = set()
    waiting = [values.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [parent for parent, _ in node.next_functions]
    return seen
