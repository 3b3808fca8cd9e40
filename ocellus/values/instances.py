"""The objects of one picture: what an instance segmenter says, and what an annotator said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ocellus.values.html import instances_html
from ocellus.values.masks import Masks
from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Instances:
    """N objects of one (H, W) picture; boxes and points are pixels of that picture.

    Args:
        size: (H, W).
        boxes: (N, 4) float32 x1, y1, x2, y2; a box around the pixel (row, column) alone is
            (column, row, column + 1, row + 1).
        labels: (N,) int64 indices into the class names.
        scores: (N,) float32 in [0, 1], or None for annotations.
        masks: N masks, or None.
        keypoints: (N, K, 3) float32 x, y, visibility (0 not given, 1 hidden, 2 visible; a prediction has the
            point's score there), or None.
        crowd: (N,) bool, regions that hold many objects and are neither right nor wrong to find, or None.
        areas: (N,) float32 as annotated, in pixels, or None: the metric's small, medium and large go by it.
        names: class names, where known.
        edges: pairs of keypoints to join when drawn.
        picture: what it was seen in, where kept.
    """

    size: tuple[int, int]
    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None
    masks: Masks | None = None
    keypoints: Tensor | None = None
    crowd: Tensor | None = None
    areas: Tensor | None = None
    names: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    picture: Picture | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name in ("labels", "scores", "masks", "keypoints", "crowd", "areas"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"{count} boxes but {len(value)} {name}; every object has one of each")
        if self.masks is not None and self.masks.size != self.size:
            raise ValueError(f"masks of size {self.masks.size} in a picture of size {self.size}")

    @staticmethod
    def empty(size: tuple[int, int]) -> Instances:
        return Instances(size=size, boxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Sequence[int] | Tensor | slice) -> Instances:
        """The chosen objects, in that order: a list or tensor of indices, a bool tensor or a slice."""
        chosen = torch.arange(len(self))[index]
        per_object = ("boxes", "labels", "scores", "masks", "keypoints", "crowd", "areas")
        parts: dict[str, Any] = {}
        for name in per_object:
            if (value := getattr(self, name)) is not None:
                parts[name] = value[chosen]
        return replace(self, **parts)

    def name(self, index: int) -> str:
        """The class name of one object, or its label's number where names are not known."""
        label = int(self.labels[index])
        return self.names[label] if 0 <= label < len(self.names) else str(label)

    def to(self, device: torch.device | str) -> Instances:
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Tensor, Masks, Picture)):
                moved[field.name] = value.to(device)
        return replace(self, **moved)

    def __repr__(self) -> str:
        found = ", ".join(
            self.name(i) + (f" {float(self.scores[i]):.2f}" if self.scores is not None else "")
            for i in range(min(len(self), 8))
        )
        more = f", and {len(self) - 8} more" if len(self) > 8 else ""
        return f"Instances({len(self)} in {self.size[1]}x{self.size[0]}: {found}{more})"

    def _repr_html_(self) -> str:
        return instances_html(self)
