"""A picture as one row of numbers: what a layer makes of it, and a mark that tells networks apart."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.hooks import recorded, untouched
from ocellus.nn.spatial_layer import channels_first, last_spatial_layer
from ocellus.nn.subject import Subject, run

MARK = 16
"""Hexadecimal digits of a fingerprint: two networks of a million share one with a chance of 1 : 10^7."""


class Input(NamedTuple):
    """What a network is given of one certain picture: tells two ways of preparing pictures apart."""

    shape: tuple[int, ...]  # C, h, w
    mean: tuple[float, ...]  # of each channel
    spread: tuple[float, ...]  # standard deviation of each channel


def layer_features(network: nn.Module, subject: Subject, *, layer: str) -> Tensor:
    """What a layer makes of a picture, places averaged out.

    Maps (B, D, h, w) are averaged over their places, tokens (B, T, D) over the tokens, rows (B, D) stay. A
    layer that puts out several maps, a pyramid, gives one row of all of them end to end. Of a module that is
    called several times the last call counts.

    Args:
        network: any; left as it was.
        subject: one picture or several of one size.
        layer: a name; see `feature_layer` for the default.

    Returns:
        (B, D) float32 on the CPU.

    Raises:
        OcellusError: no such layer, or it puts out nothing of this kind. Exit code 2.
    """
    with untouched(network), torch.no_grad():
        with recorded(network, [layer]) as record:
            run(network, subject)
        calls = record.activations[layer]
        if not calls:
            message = f"{layer} of this {type(network).__name__} is not called"
            raise OcellusError(f"{message}: name another layer (--list-layers shows all)", exit_code=2)
        size = tuple(subject.images.shape[2:])
        maps = [channels_first(tensor, size) for tensor in calls[-1]]
        rows = [row for own in maps if (row := _row(own, len(subject.images))) is not None]
        if not rows:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in calls[-1]) or "no tensor"
            message = f"{layer} puts out {shapes}; features are floats (B, D), (B, D, h, w) or (B, T, D)"
            raise OcellusError(f"{message}: name another layer (--list-layers shows all)", exit_code=2)
        return torch.cat(rows, dim=1).float().cpu().contiguous()


def feature_layer(network: nn.Module, subject: Subject) -> str:
    """The layer whose features are taken where none is named: the last one with maps, which a classifier
    that ends in global average pooling hands to its last, linear layer.

    Raises:
        OcellusError: no layer has maps. Exit code 2.
    """
    return last_spatial_layer(network, subject)


def fingerprint(network: nn.Module) -> str:
    """A mark of a network: of its class, and of the names, shapes and values of its weights.

    Args:
        network: any. In another precision or with layers fused it is another network.

    Returns:
        16 hexadecimal digits, the beginning of a SHA-256.
    """
    digest = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:MARK]


def input_of(subject: Subject) -> Input:
    """What a network is given: the shape, and mean and spread of each channel.

    Args:
        subject: one picture.
    """
    images = subject.images.clone()
    images = images if subject.preprocess is None else subject.preprocess(images)
    values = images[0].detach().double().flatten(1)
    return Input(
        tuple(images.shape[1:]),
        tuple(round(value, 6) for value in values.mean(dim=1).tolist()),
        tuple(round(value, 6) for value in values.std(dim=1, correction=0).tolist()),
    )


def _row(tensor: Tensor, batch: int) -> Tensor | None:
    """(B, D) of what a layer puts out; None of what is no features."""
    if not tensor.is_floating_point() or tensor.ndim not in (2, 3, 4) or len(tensor) != batch:
        return None
    if tensor.ndim == 4:
        return tensor.float().mean(dim=(2, 3))
    return tensor.float().mean(dim=1) if tensor.ndim == 3 else tensor
