"""What a picture shows as a whole: what a classifier says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ocellus.values.html import classification_html
from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Classification:
    """The probability of each class for one picture.

    Args:
        probabilities: (C,) float32 in [0, 1]. They add up to 1 where the classes exclude each other.
        names: the C class names, where known.
        picture: what it was seen in, where kept.
    """

    probabilities: Tensor
    names: tuple[str, ...] = ()
    picture: Picture | None = None

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1 or not self.probabilities.is_floating_point():
            given = f"{tuple(self.probabilities.shape)} {self.probabilities.dtype}"
            raise ValueError(f"probabilities are (C,) floats, not {given}")
        if self.names and len(self.names) != len(self.probabilities):
            raise ValueError(f"{len(self.names)} names for {len(self.probabilities)} classes")

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def label(self) -> int:
        """The likeliest class, as an index."""
        return int(self.probabilities.argmax())

    def name(self, label: int) -> str:
        """The name of a class, or its number where names are not known."""
        return self.names[label] if 0 <= label < len(self.names) else str(label)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, the likeliest first."""
        best, order = self.probabilities.float().topk(min(count, len(self)))
        return [(self.name(label), share) for label, share in zip(order.tolist(), best.tolist(), strict=True)]

    def to(self, device: torch.device | str) -> Classification:
        picture = None if self.picture is None else self.picture.to(device)
        return replace(self, probabilities=self.probabilities.to(device), picture=picture)

    def __repr__(self) -> str:
        return f"Classification({', '.join(f'{name} {share:.1%}' for name, share in self.top(3))})"

    def _repr_html_(self) -> str:
        return classification_html(self)
