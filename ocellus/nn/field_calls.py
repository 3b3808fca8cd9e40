"""One operation of a forward pass as the receptive field sees it; see `ocellus.nn.receptive_field`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from ocellus.nn.field_taps import Axis


class Reach(NamedTuple):
    """What the places of a tensor look at; None: its places along that axis are lost, all of it sees all."""

    rows: Axis | None
    columns: Axis | None


class Call(NamedTuple):
    """One call of an operation."""

    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]
    inputs: list[tuple[tuple[int, ...], Reach]]  # shape and reach of the inputs that come from the picture
    remarks: dict[str, str]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by its place or its name."""
        return self.args[place] if len(self.args) > place else self.named.get(name, default)


Rule = Callable[[Call, Tensor], Reach]
WHOLE = Reach(None, None)
