"""The settings of nearest neighbours. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Which pictures are near, and how they are looked for."""

    count: int = 8
    """How many neighbours of a picture."""
    metric: str = "cosine"
    """cosine: 1 - the cosine of the angle between two rows of features; l2: their Euclidean distance."""
    itself: bool = False
    """Count the picture itself too, where it is stored under the same path."""
    index: str = ""
    """Empty: exact. Else faiss, with an index as its index_factory writes it: Flat, HNSW32, IVF256,Flat."""
