"""A layer's units one by one: their maps, silencing some of them, and networks that take no picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.dense import device_of
from ocellus.nn.hooks import find_layer, is_spatial, mapped, recorded, tensors_in
from ocellus.nn.spatial_layer import channels_first, last_spatial_layer
from ocellus.nn.subject import Subject, run

SIDE = 224
"""Pixels of a blank picture's sides, where a network does not say what it looks at."""


def blank(
    network: nn.Module, *, side: int = 0, preprocess: Callable[[Tensor], Tensor] | None = None
) -> Subject:
    """A grey square as a network is given it, of the size that its settings say it looks at.

    Args:
        network: its Config's `channels`, `crop` and `short_side` are asked, where it has them; else there
            are 3 channels, or those of its first convolution where none takes 3.
        side: pixels; 0: the network's own.
        preprocess: see `ocellus.nn.subject.subject_of`.
    """
    config = getattr(network, "config", None)
    own = [int(getattr(config, name, 0)) for name in ("crop", "short_side")]
    side = side or own[0] or own[1] or SIDE
    taken = [module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    channels = int(getattr(config, "channels", 3 if 3 in taken or not taken else taken[0]))
    kind = next((one.dtype for one in network.parameters() if one.is_floating_point()), torch.float32)
    images = torch.full((1, channels, side, side), 0.5, device=device_of(network), dtype=kind)
    return Subject(images, (side, side), (side, side), preprocess)


class _Reached(Exception):
    """The layer has put out what was asked for; the rest of the network need not run."""


def unit_maps(network: nn.Module, subject: Subject, layer: str, *, stop: bool = False) -> Tensor:
    """(B, C, h, w) what a layer puts out for pictures; of several calls and maps the last.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the pictures.
        layer: the name of a module.
        stop: what comes behind the layer's first call is not run.

    Raises:
        OcellusError: no such layer, not called, or no maps of the picture; the message has the last layer
            that has some. Exit code 2.
    """
    with recorded(network, [layer]) as record, torch.no_grad(), takes_pictures(network, subject):
        handle = find_layer(network, layer).register_forward_hook(_reached) if stop else None
        try:
            run(network, subject)
        except _Reached:
            pass
        finally:
            if handle is not None:
                handle.remove()
    calls = record.activations[layer]
    if not calls:
        message = f"{layer} of this {type(network).__name__} is not called when it looks at a picture"
        raise OcellusError(f"{message}: name another layer (--list-layers shows all)", exit_code=2)
    for call in reversed(calls):
        for tensor in reversed(call):  # the deepest of several levels
            if is_spatial(tensor) and len(tensor) == len(subject.images):
                return channels_first(tensor, tuple(subject.images.shape[2:]))
    raise without_places(network, subject, layer, calls[-1])


def _reached(module: nn.Module, inputs: Any, output: Any) -> None:
    raise _Reached


def calls_of(network: nn.Module, subject: Subject, layer: str) -> int:
    """How often a layer is called for a picture; more than once where a module is used again.

    Args:
        network: in the state that `ocellus.nn.hooks.untouched` puts it in.
        subject: the picture.
        layer: the name of a module.

    Raises:
        OcellusError: no such layer. Exit code 2.
    """
    with recorded(network, [layer]) as record, torch.no_grad(), takes_pictures(network, subject):
        run(network, subject)
    return len(record.activations[layer])


def without_places(network: nn.Module, subject: Subject, layer: str, call: Sequence[Tensor]) -> OcellusError:
    """The error where a layer's output has no places."""
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in call) or "no tensor"
    message = f"{layer} puts out {shapes}, which has no places in the picture: a map (B, C, h, w) is needed"
    try:
        cure = f"; the last such layer is {last_spatial_layer(network, subject)}"
    except OcellusError:
        cure = ""
    return OcellusError(f"{message}{cure} (--list-layers shows all)", exit_code=2)


def check_units(units: Sequence[int], count: int, layer: str) -> None:
    """See that units are ones that a layer has.

    Raises:
        OcellusError: one is not. Exit code 2.
    """
    for unit in units:
        if not 0 <= unit < count:
            raise OcellusError(
                f"unit {unit} was asked for, and {layer} has {count}: 0 to {count - 1}", exit_code=2
            )


@contextmanager
def silenced(
    network: nn.Module, layer: str, units: Sequence[int], *, size: tuple[int, ...] = ()
) -> Iterator[None]:
    """Some units of a layer are 0 while the block runs, in each of its calls.

    Args:
        network: any; the hook is gone after it, whatever happens.
        layer: the name of a module that puts out maps.
        units: which.
        size: h, w of what the network is given, by which maps that keep channels last are told; (): there
            are none.

    Raises:
        OcellusError: no such layer. Exit code 2.
    """
    chosen = torch.as_tensor(list(units), dtype=torch.int64)

    def hush(module: nn.Module, inputs: Any, output: Any) -> Any:
        maps = [tensor for tensor in tensors_in(output) if is_spatial(tensor)]
        own = maps[-1] if maps else None  # the deepest of several levels, as `unit_maps` gives

        def change(tensor: Tensor) -> Tensor:
            if tensor is not own:
                return tensor
            last = bool(size) and channels_first(tensor, size) is not tensor
            return tensor.index_fill(3 if last else 1, chosen.to(tensor.device), 0)

        return mapped(output, change)

    handle = find_layer(network, layer).register_forward_hook(hush)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def takes_pictures(network: nn.Module, subject: Subject) -> Iterator[None]:
    """Runs a network; where it fails and is not made for pictures, that is said.

    Args:
        network: to be run in the block.
        subject: what it is given.

    Raises:
        OcellusError: its first layer with weights is none that takes pictures. Exit code 2.
    """
    try:
        yield
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        name, first = first_weights(network)
        if first is None or isinstance(first, nn.Conv2d) or isinstance(error, torch.OutOfMemoryError):
            raise
        shape = "x".join(map(str, subject.images.shape[1:]))
        message = (
            f"this {type(network).__name__} takes no pictures: its first layer with weights, {name}, is a"
        )
        message = f"{message} {first.__class__.__name__}, and it fails on a {shape} picture"
        raise OcellusError(f"{message}; give a network that looks at pictures", exit_code=2) from error


def first_weights(network: nn.Module) -> tuple[str, nn.Module | None]:
    """The first layer with weights, in the order in which the network was built, and its name."""
    for name, module in network.named_modules():
        if isinstance(getattr(module, "weight", None), Tensor) and not list(module.children()):
            return name or type(module).__name__, module
    return "", None
