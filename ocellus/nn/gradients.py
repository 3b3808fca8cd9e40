"""Gradients of an answer: with respect to the picture, or to what a layer puts out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.hooks import is_spatial, recorded
from ocellus.nn.spatial_layer import channels_first, last_spatial_layer
from ocellus.nn.subject import Answer, Score, Subject


class LayerGradients(NamedTuple):
    """What a layer put out in one call, and the answer's gradient with respect to it, of the same shapes."""

    activations: tuple[Tensor, ...]  # each (B, C, h, w); several where the layer is a pyramid
    gradients: tuple[Tensor, ...]
    answer: Answer


def pixel_gradients(network: nn.Module, subject: Subject, score: Score) -> tuple[Tensor, Answer]:
    """The gradient of an answer with respect to the pixels.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the pictures.
        score: the answer.

    Returns:
        (B, C, h, w) like `subject.images`, and the answer.

    Raises:
        OcellusError: the answer does not depend on the pixels by a path that gradients can go. Exit code 2.
    """
    pixels = subject.images.detach().requires_grad_()
    answer = score.ask(network, subject._replace(images=pixels))
    (gradient,) = _gradients(answer, (pixels,))
    if gradient is None:
        raise _no_path(network, answer, "the picture")
    return gradient, answer


def layer_gradients(network: nn.Module, subject: Subject, score: Score, layer: str) -> LayerGradients:
    """What a layer puts out, and the gradient of an answer with respect to it.

    One forward pass, of which only the part behind the layer is kept for the way back, and that part of the
    backward pass. Of a module that is called several times, the last call on which the answer depends.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the pictures.
        score: the answer.
        layer: the name of a module that puts out maps.

    Raises:
        OcellusError: no such layer, no maps, or no path for gradients from the answer to it. Exit code 2.
    """
    with recorded(network, [layer], gradients=True) as record:
        answer = score.ask(network, subject)
    calls = record.activations[layer]
    if not calls:
        message = (
            f"{layer} of this {type(network).__name__} is not called on the way to {answer.settled.text}"
        )
        raise OcellusError(f"{message}: name another layer (--list-layers shows all)", exit_code=2)
    if not any(is_spatial(tensor) for call in calls for tensor in call):
        raise _flat(network, subject, layer, calls[-1])
    for call in reversed(calls):
        maps = tuple(tensor for tensor in call if is_spatial(tensor) and len(tensor) == len(subject.images))
        found = _gradients(answer, maps) if maps else ()
        kept = [(own, gradient) for own, gradient in zip(maps, found, strict=True) if gradient is not None]
        if kept:
            activations, gradients = zip(*kept, strict=True)
            size = tuple(subject.images.shape[2:])
            return LayerGradients(
                tuple(channels_first(own.detach(), size) for own in activations),
                tuple(channels_first(own, size) for own in gradients),
                answer,
            )
    raise _no_path(network, answer, layer)


def _gradients(answer: Answer, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    """The gradient of the sum of the answers, picture by picture independent; None where there is no path."""
    if not answer.values.requires_grad:
        return (None,) * len(inputs)
    return torch.autograd.grad(answer.values.sum(), inputs, retain_graph=True, allow_unused=True)


def _no_path(network: nn.Module, answer: Answer, where: str) -> OcellusError:
    message = f"no gradient goes from {answer.settled.text} to {where} in this {type(network).__name__}"
    cure = "it is cut on the way (detach, no_grad, argmax), or the answer does not depend on it"
    return OcellusError(f"{message}: {cure}; explain/occlusion needs no gradient", exit_code=2)


def _flat(network: nn.Module, subject: Subject, layer: str, call: tuple[Tensor, ...]) -> OcellusError:
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in call) or "no tensor"
    message = (
        f"{layer} puts out {shapes}, which has no places: a map (B, C, h, w) with h and w above 1 is needed"
    )
    try:
        cure = f"; the last such layer is {last_spatial_layer(network, subject)}"
    except OcellusError:
        cure = ""
    return OcellusError(message + cure, exit_code=2)
