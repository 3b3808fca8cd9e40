"""N masks of one picture, lossless and small: run lengths, and the polygons they were drawn as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.values import rings as ring_functions
from ocellus.values import runs
from ocellus.values.rings import Ring


@dataclass(frozen=True, eq=False, kw_only=True)
class Masks:
    """N binary masks of one (H, W) picture. Holes and separate parts survive; dense on demand.

    Args:
        size: (H, W) of the picture.
        counts: (R,) int32, the run lengths of all masks one after the other, each column by column and
            starting with background (COCO's order).
        splits: (N+1,) int64, mask i is counts[splits[i]:splits[i+1]].
        polygons: for each mask the rings it was annotated with, in pixels, or None where it was not drawn as
            polygons; an empty tuple where no mask was. Kept so that a file comes back with its own vertices.
    """

    size: tuple[int, int]
    counts: Tensor
    splits: Tensor
    polygons: tuple[tuple[Ring, ...] | None, ...] = ()

    @staticmethod
    def from_runs(
        counts: Sequence[NDArray[np.int32]],
        size: tuple[int, int],
        *,
        polygons: tuple[tuple[Ring, ...] | None, ...] = (),
    ) -> Masks:
        """Masks from one array of run lengths each."""
        lengths = np.array([0, *(len(c) for c in counts)], np.int64)
        joined = np.concatenate(counts) if len(counts) else np.zeros(0, np.int32)
        known = polygons if any(rings is not None for rings in polygons) else ()
        return Masks(
            size=size,
            counts=torch.from_numpy(joined.astype(np.int32, copy=False)),
            splits=torch.from_numpy(np.cumsum(lengths)),
            polygons=known,
        )

    @staticmethod
    def empty(size: tuple[int, int]) -> Masks:
        return Masks.from_runs([], size)

    @staticmethod
    def from_dense(masks: Tensor | NDArray[Any]) -> Masks:
        """Masks from (N, H, W) bool or 0/1."""
        array = np.asarray(masks.cpu() if isinstance(masks, Tensor) else masks).astype(bool)
        _, height, width = array.shape
        return Masks.from_runs([runs.encode(mask, size=(height, width)) for mask in array], (height, width))

    @staticmethod
    def from_polygons(polygons: Sequence[Sequence[Ring]], size: tuple[int, int]) -> Masks:
        """Masks from rings: a pixel belongs to mask i where an odd number of its rings enclose its centre."""
        counts = []
        for outline in polygons:
            window, top, left = ring_functions.fill(outline, size)
            counts.append(runs.encode(window, size=size, top=top, left=left))
        kept = tuple(tuple(np.asarray(ring, np.float64) for ring in outline) for outline in polygons)
        return Masks.from_runs(counts, size, polygons=kept)

    def __len__(self) -> int:
        return len(self.splits) - 1

    def __iter__(self) -> Iterator[Masks]:
        return (self[[index]] for index in range(len(self)))

    def __getitem__(self, index: Sequence[int] | Tensor | slice) -> Masks:
        """The chosen masks, in that order; a list or tensor of indices, a bool tensor or a slice."""
        chosen = torch.arange(len(self))[index].tolist()
        polygons = tuple(self.polygons[i] for i in chosen) if self.polygons else ()
        return Masks.from_runs([self.run_lengths(i) for i in chosen], self.size, polygons=polygons)

    def run_lengths(self, index: int) -> NDArray[np.int32]:
        """(R_i,) int32, the run lengths of one mask."""
        first, last = int(self.splits[index]), int(self.splits[index + 1])
        return self.counts[first:last].cpu().numpy()

    def dense(self) -> Tensor:
        """(N, H, W) bool; N * H * W bytes."""
        masks = [torch.from_numpy(runs.decode(self.run_lengths(i), self.size)) for i in range(len(self))]
        return torch.stack(masks) if masks else torch.zeros(0, *self.size, dtype=torch.bool)

    def window(self, index: int, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        """(h, w) bool: one mask inside (left, top, right, bottom), whole pixels inside the picture."""
        return runs.decode_window(self.run_lengths(index), self.size, box)

    def bounds(self) -> Tensor:
        """(N, 4) int64 left, top, right, bottom, the last two exclusive; zeros where a mask is empty."""
        found = [runs.bounds(self.run_lengths(i), self.size[0]) for i in range(len(self))]
        return torch.tensor(found, dtype=torch.int64).reshape(-1, 4)

    def areas(self) -> Tensor:
        """(N,) int64 pixels in each mask."""
        return torch.tensor(
            [int(self.run_lengths(i)[1::2].sum()) for i in range(len(self))], dtype=torch.int64
        )

    def outlines(self, index: int) -> tuple[Ring, ...]:
        """The rings of one mask along pixel borders; `Masks.from_polygons` gives the same mask back."""
        left, top, right, bottom = runs.bounds(self.run_lengths(index), self.size[0])
        return ring_functions.trace(self.window(index, (left, top, right, bottom)), top=top, left=left)

    def to_coco(self) -> list[dict[str, Any]]:
        """COCO's compressed run lengths: {"size": [H, W], "counts": bytes} for each mask."""
        size = list(self.size)
        return [{"size": size, "counts": runs.to_bytes(self.run_lengths(i))} for i in range(len(self))]

    def to(self, device: torch.device | str) -> Masks:
        return Masks(
            size=self.size,
            counts=self.counts.to(device),
            splits=self.splits.to(device),
            polygons=self.polygons,
        )
