"""Classifiers as the beginning of SCOUTER: their backbone, with slots in place of the head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.explain.scouter.model import Scouter

SAME = ("architecture", "width", "channels", "norm", "mean", "std")
"""Settings that have to be those of the classifier. Strides may differ: dilated weights are the same."""


def begin_state(network: Scouter, other: nn.Module) -> dict[str, Tensor]:
    """Weights of SCOUTER, or the backbone of a classifier, as the beginning of a network.

    Args:
        network: to be trained; what is not in a classifier keeps its own beginning.
        other: SCOUTER of the same backbone, or a network of see/classifier.

    Returns:
        A state of all of the network's entries; those for other classes have the shape they had.

    Raises:
        OcellusError: another backbone, or pictures prepared in another way. Exit code 2.
    """
    ours: Any = network.config
    theirs: Any = other.config
    fields = SAME if not isinstance(other, Scouter) else (*SAME, "depth", "hidden")
    for field in fields:
        given, wanted = getattr(theirs, field), getattr(ours, field)
        if given != wanted:
            raise _differs(field, given, wanted)
    if getattr(theirs, "channel_order", "RGB") != "RGB" or getattr(theirs, "scale", 1.0) != 1.0:
        raise OcellusError(
            "the weights to begin with take pictures in another order or scale of colors; give others, of "
            "pictures as RGB in [0, 1]",
            exit_code=2,
        )
    known, state = other.state_dict(), network.state_dict()
    if isinstance(other, Scouter):
        return known
    backbone = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    for name, tensor in backbone.items():
        if name not in known or known[name].shape != tensor.shape:
            raise _differs("depth", theirs.depth, ours.depth)
        state[name] = known[name]
    return state


def _differs(field: str, given: object, wanted: object) -> OcellusError:
    flag = field.replace("_", "-")
    shown = " ".join(map(str, given)) if isinstance(given, tuple) else given
    return OcellusError(
        f"the weights to begin with are of a network with {field} {given}, not {wanted}: give --{flag} "
        f"{shown}, or other weights",
        exit_code=2,
    )
