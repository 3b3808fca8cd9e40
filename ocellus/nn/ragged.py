"""A number of things in each picture: as a list, as one padded tensor, or as rows that know their picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def padded(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """(N_b, ...) of each picture -> (B, N, ...) filled up with zeros to the longest, (B, N) bool validity."""
    counts = torch.tensor([len(part) for part in parts], device=parts[0].device)
    values = nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
    return values, torch.arange(values.shape[1], device=values.device) < counts[:, None]


def unpadded(values: Tensor, valid: Tensor) -> list[Tensor]:
    """The inverse of `padded`: (B, N, ...), (B, N) bool -> (N_b, ...) of each picture."""
    return [part[keep] for part, keep in zip(values, valid, strict=True)]


def scattered(values: Tensor, valid: Tensor) -> Tensor:
    """(R, ...) of the valid places -> (B, N, ...), zeros elsewhere."""
    result = values.new_zeros(*valid.shape, *values.shape[1:])
    result[valid] = values
    return result


def batch_rois(boxes: Sequence[Tensor]) -> Tensor:
    """(N_b, 4) of each picture -> (R, 5) picture's index, x1, y1, x2, y2."""
    parts = []
    for index, part in enumerate(boxes):
        parts.append(torch.cat([part.new_full((len(part), 1), index), part], dim=1))
    return torch.cat(parts)
