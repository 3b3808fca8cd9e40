"""Published generators of CycleGAN (PyTorch) -> ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.imagine.cyclegan.config import Config
from ocellus.imagine.cyclegan.model import build
from ocellus.labels import LabelMap
from ocellus.nn.generator_names import read_generator
from ocellus.nn.renaming import adjusted, check_whole

ALSO = "also."
"""Prefix of the tensors of a second file: the generator of the way back."""


def import_state(
    state: Mapping[str, Tensor], *, names: Iterable[str] = (), adjust: Mapping[str, Any] | None = None
) -> tuple[Config, dict[str, Tensor], LabelMap]:
    """One generator or two of pytorch-CycleGAN-and-pix2pix as settings and weights of ours.

    Args:
        state: the tensors of "latest_net_G_A.pth" or of a published model, as `ocellus.foreign.read_foreign`
            gives them; those of "latest_net_G_B.pth" beside them, with "also." before their names.
        names: of the domains A and B; none: "A" and "B".
        adjust: fields of Config that the tensors cannot tell: short_side (256 unless given).

    Returns:
        The networks' settings, their state for `build(config).load_state_dict`, and the domains' names.

    Raises:
        OcellusError: the names are of none that is known, a file is not whole, or the two do not fit.
    """
    first = {name: tensor for name, tensor in state.items() if not name.startswith(ALSO)}
    second = {name.removeprefix(ALSO): state[name] for name in state if name.startswith(ALSO)}
    fields, found = read_generator(first)
    ours = {f"forth.{name}": tensor for name, tensor in found.items()}
    if second:
        other, found = read_generator(second, source="the second checkpoint")
        swapped = {**other, "channels": other["outputs"], "outputs": other["channels"]}
        if swapped != fields:
            differing = [name for name in fields if fields[name] != swapped.get(name)]
            raise OcellusError(
                f"the two generators differ in {', '.join(differing)}: give those of one training"
            )
        ours |= {f"back.{name}": tensor for name, tensor in found.items()}
    config = Config(**{"dropout": False, **fields, "ways": "both" if second else "forward"})
    config = adjusted(config, adjust)
    check_whole(ours, build, config, network="generator")
    domains = tuple(names) or ("A", "B")
    if len(domains) != 2:
        raise OcellusError(f"{len(domains)} names for two domains; give two", exit_code=2)
    return config, ours, LabelMap(domains)
