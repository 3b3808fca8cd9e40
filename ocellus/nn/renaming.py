"""Public checkpoints: other libraries' names of tensors -> ours, by rules, and what all imports check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

Rules = Iterable[tuple[str, str]]
"""A pattern for a name's beginning, and ours: {0} is its first group, {0-1} that number less one, {0/2} half
of it."""

Config = TypeVar("Config")


def prefixed(rules: Rules, prefix: str) -> Rules:
    """The rules for names that begin with a pattern more."""
    return tuple((prefix + pattern, target) for pattern, target in rules)


def renamed(state: Mapping[str, Tensor], rules: Rules, *, network: str, hint: str = "") -> dict[str, Tensor]:
    """The tensors under our names.

    Args:
        state: the checkpoint's.
        rules: the first that fits is taken.
        network: what the rules are for, for the message.
        hint: what the message ends with.

    Raises:
        OcellusError: a name that no rule knows.
    """
    patterns = [(re.compile(pattern), target) for pattern, target in rules]
    answer = {}
    for name, tensor in state.items():
        for pattern, target in patterns:
            if found := pattern.match(name):
                answer[_filled(target, found.groups()) + name[found.end() :]] = tensor
                break
        else:
            raise OcellusError(f"the checkpoint holds {name}, which {network} does not have{hint}")
    return answer


def adjusted(config: Config, adjust: Mapping[str, Any] | None) -> Config:
    """The settings with those changed that the tensors cannot tell.

    Args:
        config: a dataclass.
        adjust: its fields by name; None: nothing is changed.

    Raises:
        OcellusError: it has no such field. Exit code 2.
    """
    settings: Any = config
    known = {field.name for field in fields(settings)}
    if unknown := sorted(set(adjust or {}) - known):
        raise OcellusError(
            f"there is no setting {', '.join(unknown)}; known are {', '.join(sorted(known))}", exit_code=2
        )
    changed: Config = replace(settings, **(adjust or {}))
    return changed


def counted(state: Mapping[str, Tensor], *, norm: str) -> dict[str, Tensor]:
    """With a counter for each norm where norms are live (batch), and none for others."""
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    if norm == "batch":
        norms = [name.removesuffix("running_var") for name in kept if name.endswith("running_var")]
        counters = {f"{name}num_batches_tracked": torch.tensor(0) for name in norms}
        kept |= {name: state.get(name, zero) for name, zero in counters.items()}
    return kept


def check_whole(
    state: Mapping[str, Tensor],
    build: Callable[[Config], nn.Module],
    config: Config,
    *,
    network: str = "network",
    others: str = "wider ones",
) -> None:
    """See that renamed tensors are all that a network has, and of its shapes.

    Args:
        state: under our names.
        build: makes the network.
        config: of it.
        network: what it is, for the message.
        others: which networks cannot be imported, besides those with grouped convolutions.

    Raises:
        OcellusError: the first that is missing, of another shape, or too much.
    """
    with torch.device("meta"):  # shapes alone
        wanted = build(config).state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise OcellusError(
                f"the checkpoint has nothing that could be {name}; it is not a whole {network}"
            )
        if state[name].shape != tensor.shape:
            raise OcellusError(
                f"{name} has the shape {tuple(state[name].shape)}, {tuple(tensor.shape)} is wanted; networks "
                f"with grouped convolutions (ResNeXt) or {others} cannot be imported"
            )
    if surplus := [name for name in state if name not in wanted]:
        raise OcellusError(f"the checkpoint holds {surplus[0]} too, which this network does not have")


def class_labels(names: Iterable[str], *, classes: int, known: Callable[[int], Iterable[str]]) -> LabelMap:
    """The names of a checkpoint's classes.

    Args:
        names: as given; none: those known.
        classes: how many there are.
        known: the names of so many classes.

    Raises:
        OcellusError: another number of names. Exit code 2.
    """
    found = tuple(names) or tuple(known(classes))
    if len(found) != classes:
        raise OcellusError(
            f"{len(found)} class names for a checkpoint of {classes} classes; give one each", exit_code=2
        )
    return LabelMap(found)


def numbered(classes: int) -> tuple[str, ...]:
    """Names for classes of which no name is known: "class 1" and so on."""
    return tuple(f"class {index + 1}" for index in range(classes))


def _filled(target: str, groups: tuple[str, ...]) -> str:
    def value(found: re.Match[str]) -> str:
        group, operator, number = groups[int(found[1])], found[2], found[3]
        if operator == "-":
            return str(int(group) - int(number))
        return str(int(group) // int(number)) if operator == "/" else group

    return re.sub(r"\{(\d)([-/]?)(\d?)\}", value, target)
