"""Other libraries' names of tensors -> ours, by rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from ocellus.errors import OcellusError

Rules = Iterable[tuple[str, str]]
"""A pattern for a name's beginning, and ours: {0} is its first group, {0-1} that number less one."""


def renamed(state: Mapping[str, Tensor], rules: Rules, *, network: str) -> dict[str, Tensor]:
    """The tensors under our names.

    Args:
        state: the checkpoint's.
        rules: the first that fits is taken.
        network: what the rules are for, for the message.

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
            raise OcellusError(f"the checkpoint holds {name}, which {network} does not have")
    return answer


def _filled(target: str, groups: tuple[str, ...]) -> str:
    def value(found: re.Match[str]) -> str:
        group, less = groups[int(found[1])], found[2]
        return str(int(group) - int(less)) if less else group

    return re.sub(r"\{(\d)(?:-(\d))?\}", value, target)
