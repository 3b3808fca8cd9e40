"""The filters of a layer, and of the first one as they act on the picture's own colors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.explain.filters.config import Config
from ocellus.nn.hooks import find_layer, hooked, untouched
from ocellus.nn.subject import Subject, run, subject_of
from ocellus.nn.units import blank, takes_pictures
from ocellus.values import Filters, Picture

Filtering = nn.Conv2d | nn.Linear
TOLERANCE = 1e-3
"""Of what the colors are multiplied by: how far a network's preparation may be from weights and a shift."""


def explain(
    network: nn.Module,
    image: Picture | Tensor | Subject | None = None,
    *,
    layer: str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    config: Config | None = None,
) -> Filters:
    """What a layer looks for: its filters.

    Args:
        network: any; it is left as it was.
        image: a picture of a size that the network takes; None: a grey one. What is in it does not matter.
        layer: a convolution, or a linear layer over all pixels; None: the first layer with weights that the
            network calls.
        preprocess: what a foreign network wants done to pictures in [0, 1]; see `subject_of`.
        config: the method's settings.

    Raises:
        OcellusError: no such layer, one without filters, a network that takes no pictures, or a setting that
            there is not. Exit code 2.
    """
    config = Config() if config is None else config
    for name, allowed in (("space", ("auto", "picture", "weights")), ("order", ("index", "norm", "color"))):
        if getattr(config, name) not in allowed:
            message = f"{name} is {getattr(config, name)!r}; there is {', '.join(allowed)}"
            raise OcellusError(message, exit_code=2)
    with untouched(network), torch.no_grad():
        if image is None:
            subject = blank(network, preprocess=preprocess)
        else:
            subject = subject_of(network, image, preprocess=preprocess)
        first = _first(network, subject)
        name = layer or first
        module = find_layer(network, name)
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            kind = type(module).__name__
            message = f"{name} is a {kind}, which has no filters over a picture: name a convolution"
            raise OcellusError(f"{message}; the first is {first}", exit_code=2)
        weights = _dense(module, tuple(subject.images.shape[1:]), name)
        acts = config.space == "picture" or (config.space == "auto" and name == first)
        if acts and name != first:
            message = f"{name} does not look at the picture's colors but at what {first} makes of them"
            raise OcellusError(f"{message}: leave out --space picture", exit_code=2)
        if acts:
            weights = _on_colors(weights, _mixing(network, subject, first))
    found = Filters(weights=weights, layer=name, kind=type(module).__name__, in_picture=acts)
    order = _order(found, config.order)
    return replace(found, weights=found.weights[order].contiguous(), numbers=tuple(order.tolist()))


def _first(network: nn.Module, subject: Subject) -> str:
    """The first layer with weights that is called.

    Raises:
        OcellusError: it has no filters over a picture.
    """
    found: list[tuple[str, nn.Module]] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            weight = getattr(module, "weight", None)
            norm = isinstance(weight, Tensor) and weight.ndim < 2  # it filters nothing
            if isinstance(weight, Tensor) and not norm and not list(module.children()):
                found.append((name, module))

        return hook

    with hooked(network, note), takes_pictures(network, subject):
        run(network, subject)
    if not found:
        message = f"this {type(network).__name__} has no layer with weights: there are no filters to be seen"
        raise OcellusError(message, exit_code=2)
    name, module = found[0]
    if not isinstance(module, (nn.Conv2d, nn.Linear)):
        message = f"the first layer with weights, {name}, is a {type(module).__name__}"
        raise OcellusError(f"{message}: it has no filters over a picture", exit_code=2)
    return name


def _dense(module: Filtering, shape: tuple[int, ...], name: str) -> Tensor:
    """(N, C, h, w) weights; of grouped convolutions with zeros where a filter does not look.

    Args:
        module: the layer.
        shape: (C, h, w) of the picture.
        name: of the layer.

    Raises:
        OcellusError: a linear layer over something else than all pixels.
    """
    weight = module.weight.detach().float().cpu()
    if isinstance(module, nn.Linear):
        if weight.shape[1] != torch.Size(shape).numel():
            pixels = "x".join(map(str, shape))
            message = f"{name} is a Linear over {weight.shape[1]} numbers, not over the pixels ({pixels})"
            raise OcellusError(
                f"{message}: it has no filters over a picture; name a convolution", exit_code=2
            )
        return weight.reshape(-1, *shape)
    if module.groups == 1:
        return weight.clone()
    count, each = weight.shape[:2]
    whole = weight.new_zeros(count, module.in_channels, *weight.shape[2:])
    for index in range(count):
        start = index // (count // module.groups) * each
        whole[index, start : start + each] = weight[index]
    return whole


def _mixing(network: nn.Module, subject: Subject, first: str) -> Tensor:
    """(K, C): what each channel of the first layer's input changes by with each color of the picture.

    Pictures of one color each are sent in; their preparation (scale, mean, order of colors) is the same at
    each pixel, so that the input's middle tells of it.

    Raises:
        OcellusError: it is no sum of weighted colors and a constant.
    """
    channels = subject.images.shape[1]
    colors = torch.full((channels + 2, channels), 0.5)
    colors[1 : channels + 1] += 0.25 * torch.eye(channels)
    colors[-1] = torch.linspace(0.1, 0.9, channels) ** 2
    images = colors.to(subject.images)[:, :, None, None].expand(-1, -1, *subject.images.shape[2:])
    given: list[Tensor] = []
    module = find_layer(network, first)
    handle = module.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].detach().clone()))
    try:
        run(network, subject._replace(images=images.contiguous()))
    finally:
        handle.remove()
    seen = given[0].float().cpu()
    if seen.ndim == 2:  # of a linear layer
        seen = seen.reshape(len(seen), *subject.images.shape[1:])
    middle = seen[:, :, seen.shape[2] // 2, seen.shape[3] // 2]  # (C + 2, K)
    mixing = (middle[1 : channels + 1] - middle[0]).T / 0.25
    expected = middle[0] + mixing @ (colors[-1] - colors[0])
    if not mixing.any() or (expected - middle[-1]).abs().max() > TOLERANCE * mixing.abs().max():
        message = f"what comes before {first} changes the picture by more than weights and a shift"
        raise OcellusError(f"{message}: take --space weights", exit_code=2)
    return mixing


def _on_colors(weights: Tensor, mixing: Tensor) -> Tensor:
    """(N, C, h, w): (N, K, h, w) filters behind a (K, C) mixing of colors, as one filter of the picture."""
    return torch.einsum("nkhw,kc->nchw", weights, mixing)


def _order(found: Filters, order: str) -> Tensor:
    """(N,) places of the filters in the order asked for; of equals the first comes first."""
    if order == "index" or (order == "color" and not found.colored):
        return torch.arange(len(found))
    figures = found.norms() if order == "norm" else found.colorfulness().nan_to_num(-1.0)
    return figures.argsort(descending=True, stable=True)
