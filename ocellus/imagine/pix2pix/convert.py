"""Published generators of pix2pix (PyTorch) -> ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ocellus.imagine.pix2pix.config import Config
from ocellus.imagine.pix2pix.model import build
from ocellus.labels import LabelMap
from ocellus.nn.generator_names import read_generator
from ocellus.nn.renaming import adjusted, check_whole

PORT_DROPOUT_FIRST = 1
"""The authors' port drops no values in the innermost level of the decoder, but in the three that follow."""


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """A generator of pytorch-CycleGAN-and-pix2pix ("latest_net_G.pth") as settings and weights of ours.

    Args:
        state: the checkpoint's tensors, as `ocellus.foreign.read_foreign` gives them.
        names: there are no classes.
        adjust: fields of Config that the tensors cannot tell: direction, short_side (256 unless given).

    Returns:
        The network's settings, its state for `build(config).load_state_dict`, and no class names.

    Raises:
        OcellusError: the names are of none that is known, or the file is not whole.
    """
    fields, found = read_generator(state)
    ours = {f"generator.{name}": tensor for name, tensor in found.items()}
    config = Config(**{"dropout": True, "dropout_first": PORT_DROPOUT_FIRST, **fields})
    config = adjusted(config, adjust)
    check_whole(ours, build, config, network="generator")
    return config, ours, LabelMap(tuple(names))
