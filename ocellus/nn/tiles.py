"""Pictures of any size through a network: mirrored borders, overlapping tiles, blended without seams.

Tiles lie on multiples of the network's stride, so that a tile is sampled on the same grid as the whole. Of
two tiles that overlap, the outer third of the overlap of either counts for nothing and the middle third
passes linearly from one to the other: with a receptive field that reaches no further than a third of it,
tiles answer what the whole picture would. Only the rows that the next tiles still change are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ocellus.errors import OcellusError

Window = Callable[[int, int, int, int], Tensor]
"""(top, bottom, left, right) of a part of a picture -> (B, C, bottom - top, right - left) float in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How a picture is cut.

    Args:
        stride: tiles and the whole are padded to multiples of it.
        tile: side of a tile in pixels; 0: the whole picture at once.
        overlap: pixels that neighbours share, at least.
        margin: pixels that the network's answer is smaller by, on each side, at most.
    """

    stride: int = 1
    tile: int = 0
    overlap: int = 0
    margin: int = 0

    def check(self) -> Tiling:
        """Itself.

        Raises:
            OcellusError: tiles of a negative size, or that overlap by all they have. Exit code 2.
        """
        if self.tile < 0 or 0 < self.tile < self.stride:
            raise OcellusError(
                f"tiles of {self.tile} pixels make no sense: the network needs at least {self.stride}, and 0 "
                "means the whole picture at once",
                exit_code=2,
            )
        if self.overlap < 0:
            raise OcellusError(f"an overlap of {self.overlap} pixels makes no sense: 0 or more", exit_code=2)
        if self.tile and self.side - self.overlap < self.stride:
            raise OcellusError(
                f"tiles of {self.tile} pixels that overlap by {self.overlap} do not advance: at most "
                f"{max(self.side - self.stride, 0)} are shared, or give larger tiles",
                exit_code=2,
            )
        return self

    @property
    def side(self) -> int:
        """A tile's side in pixels, a multiple of the stride."""
        return -(-self.tile // self.stride) * self.stride


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """One tile along one axis.

    Args:
        start: the first pixel that the network answers for.
        stop: the pixel behind the last.
        begin: the first pixel that its answer counts for.
        end: the pixel behind the last.
        final: up to here no later tile changes the answer.
        weights: (end - begin,) how much it counts.
    """

    start: int
    stop: int
    begin: int
    end: int
    final: int
    weights: Tensor


def cut(length: int, tiling: Tiling) -> tuple[Piece, ...]:
    """The tiles along an axis of a length, padded to the stride; their weights add up to 1 everywhere."""
    stride, side = tiling.stride, tiling.side
    padded = -(-length // stride) * stride
    if not side or side >= padded:
        whole = Piece(start=0, stop=padded, begin=0, end=padded, final=padded, weights=torch.ones(padded))
        return (whole,)
    steps = (padded - side) // stride
    count = -(-steps // ((side - tiling.overlap) // stride))
    starts = [stride * (index * steps // count) for index in range(count + 1)]
    shared = min(first + side - second for first, second in pairwise(starts))
    advance = min(second - first for first, second in pairwise(starts))
    ramp = min(shared // 3, advance)
    rise = (torch.arange(ramp) + 0.5) / max(ramp, 1)
    turns = [(a + b + side) // 2 - ramp // 2 for a, b in pairwise(starts)]
    pieces = []
    for index, start in enumerate(starts):
        begin = turns[index - 1] if index else 0
        final = turns[index] if index < count else padded
        end = final + ramp if index < count else padded
        weights = torch.ones(end - begin)
        if index:
            weights[:ramp] = rise
        if index < count:
            weights[final - begin :] = 1 - rise
        pieces.append(
            Piece(start=start, stop=start + side, begin=begin, end=end, final=final, weights=weights)
        )
    return tuple(pieces)


def blocks(
    answer: Callable[[Tensor], Tensor], window: Window, size: tuple[int, int], *, tiling: Tiling
) -> Iterator[tuple[int, int, Tensor]]:
    """What a network says of a picture, part by part, row by row of tiles.

    Args:
        answer: (B, C, h, w) -> (B, K, h - 2 margin, w - 2 margin) logits.
        window: gives a part of the picture, and its mirror image where the part reaches over the border.
        size: (H, W) of the picture.
        tiling: how it is cut.

    Returns:
        (top, left, (B, K, h, w) float32 logits) of parts that cover the picture once.

    Raises:
        OcellusError: tiles of a size that makes no sense. Exit code 2.
    """
    tiling.check()
    columns = cut(size[1], tiling)
    above: list[Tensor | None] = [None] * len(columns)
    for row in cut(size[0], tiling):
        left: Tensor | None = None
        for number, column in enumerate(columns):
            logits = _of_tile(answer, window, row, column, tiling.margin)  # (B, K, h, w)
            if len(columns) > 1:
                logits = logits * column.weights.to(logits.device)
                if left is not None:
                    logits[..., : left.shape[-1]] += left
                left = logits[..., column.final - column.begin :].clone()
                logits = logits[..., : column.final - column.begin]
            if (rest := row.end - row.final) or above[number] is not None:
                logits = logits * row.weights[:, None].to(logits.device)
                if (carried := above[number]) is not None:
                    logits[..., : carried.shape[-2], :] += carried
                above[number] = logits[..., row.final - row.begin :, :].clone() if rest else None
                logits = logits[..., : row.final - row.begin, :]
            logits = logits[..., : size[0] - row.begin, : size[1] - column.begin]
            if logits.numel():
                yield row.begin, column.begin, logits


def _of_tile(
    answer: Callable[[Tensor], Tensor], window: Window, row: Piece, column: Piece, margin: int
) -> Tensor:
    """(B, K, h, w) logits where a tile's answer counts."""
    images = window(row.start - margin, row.stop + margin, column.start - margin, column.stop + margin)
    logits = answer(images).float()
    wanted = (row.stop - row.start, column.stop - column.start)
    given = (logits.shape[-2], logits.shape[-1])
    spare = (given[0] - wanted[0]) // 2
    if spare > 0 and given == (wanted[0] + 2 * spare, wanted[1] + 2 * spare):  # it needed less than `margin`
        logits = logits[..., spare : spare + wanted[0], spare : spare + wanted[1]]
    elif given != wanted:
        raise ValueError(f"the network answers {given} for {tuple(images.shape[-2:])}, not {wanted}")
    return logits[..., row.begin - row.start : row.end - row.start,
                  column.begin - column.start : column.end - column.start]  # fmt: skip


def mirrored(read: Window, size: tuple[int, int]) -> Window:
    """A window that may reach over a picture's border: the picture goes on as its mirror image.

    The border pixel itself is not repeated (numpy's "reflect"); a picture smaller than the reach is mirrored
    again and again.

    Args:
        read: gives parts that lie within the picture.
        size: (H, W) of the picture.
    """

    def window(top: int, bottom: int, left: int, right: int) -> Tensor:
        if top >= 0 and left >= 0 and bottom <= size[0] and right <= size[1]:
            return read(top, bottom, left, right)
        rows, columns = reflected(top, bottom, size[0]), reflected(left, right, size[1])
        first, start = int(rows.min()), int(columns.min())
        part = read(first, int(rows.max()) + 1, start, int(columns.max()) + 1)
        place = part.device
        return part[..., (rows - first).to(place), :][..., (columns - start).to(place)]

    return window


def reflected(start: int, stop: int, length: int) -> Tensor:
    """(stop - start,) the pixels 0..length-1 that the places of an axis show, mirrored at both ends."""
    places = torch.arange(start, stop)
    if length == 1:
        return torch.zeros_like(places)
    places = places.remainder(2 * (length - 1))
    return torch.where(places < length, places, 2 * (length - 1) - places)
