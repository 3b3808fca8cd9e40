"""A class for every pixel of one picture: what a semantic segmenter says, and what an annotator said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ocellus.values.html import segmentation_html
from ocellus.values.picture import Picture

IGNORED = 255
"""The label of pixels that are annotated as nothing: neither right nor wrong, whatever is said of them."""

Color = tuple[int, int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Segmentation:
    """The class of each pixel of an (H, W) picture.

    Args:
        labels: (H, W) uint8 indices into the class names; 255 where nothing is annotated.
        confidence: (H, W) float16 in [0, 1], the probability of that class; None for annotations.
        probabilities: (C, H, W) float16 of every class, where they were asked for.
        names: the C class names, where known. A background is a class like the others.
        colors: RGB 0..255 of each class, where the data set has colors of its own; else they are chosen.
        picture: what it was seen in, where kept.
    """

    labels: Tensor
    confidence: Tensor | None = None
    probabilities: Tensor | None = None
    names: tuple[str, ...] = ()
    colors: tuple[Color, ...] = ()
    picture: Picture | None = None

    def __post_init__(self) -> None:
        if self.labels.dtype != torch.uint8 or self.labels.ndim != 2:
            given = f"{tuple(self.labels.shape)} {self.labels.dtype}"
            raise ValueError(f"labels are (H, W) uint8, not {given}")
        if self.confidence is not None and tuple(self.confidence.shape) != self.size:
            raise ValueError(f"confidence of {tuple(self.confidence.shape)} for labels of {self.size}")
        if self.probabilities is not None and tuple(self.probabilities.shape[1:]) != self.size:
            raise ValueError(f"probabilities of {tuple(self.probabilities.shape)} for labels of {self.size}")
        if len(self.names) > IGNORED:
            raise ValueError(f"{len(self.names)} classes; labels of 8 bits tell at most {IGNORED} apart")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def label(self, name: str | int) -> int:
        """The label of a class by name; a number is one already.

        Raises:
            KeyError: no such class.
        """
        if isinstance(name, int):
            return name
        if name not in self.names:
            raise KeyError(f"no class {name!r}; there is {', '.join(self.names[:12])}")
        return self.names.index(name)

    def mask(self, name: str | int) -> Tensor:
        """(H, W) bool, the pixels of a class given by name or label."""
        return self.labels == self.label(name)

    def alpha(self, name: str | int) -> Tensor:
        """(H, W) float32 in [0, 1]: how surely each pixel is of a class.

        Exact where all probabilities were kept, and for two classes; else what the surest class leaves counts
        as nothing, and annotations give 0 or 1.
        """
        label = self.label(name)
        if self.probabilities is not None:
            return self.probabilities[label].float()
        mine = self.labels == label
        if self.confidence is None:
            return mine.float()
        sure = self.confidence.float()
        others = 1 - sure if len(self.names) == 2 else torch.zeros_like(sure)
        return torch.where(mine, sure, others)

    def shares(self) -> dict[str, float]:
        """The share of the picture that each class covers, the largest first; ignored pixels are left out."""
        return dict(self._shares())

    def _shares(self) -> Iterator[tuple[str, float]]:
        counts = torch.bincount(self.labels.flatten(), minlength=IGNORED + 1)[:IGNORED].tolist()
        total = max(sum(counts), 1)
        for label in sorted(range(IGNORED), key=lambda index: -counts[index]):
            if counts[label]:
                yield self.name(label), counts[label] / total

    def name(self, label: int) -> str:
        """The name of a class, or its label's number where names are not known."""
        return self.names[label] if label < len(self.names) else str(label)

    def to(self, device: torch.device | str) -> Segmentation:
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Tensor, Picture)):
                moved[field.name] = value.to(device)
        return replace(self, **moved)

    def __repr__(self) -> str:
        parts = [f"{name} {share:.1%}" for name, share in list(self._shares())[:8]]
        return f"Segmentation({self.size[1]}x{self.size[0]}: {', '.join(parts)})"

    def _repr_html_(self) -> str:
        return segmentation_html(self)
