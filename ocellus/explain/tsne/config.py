"""The settings of t-SNE. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How the plane is found."""

    perplexity: float = 0.0
    """About how many neighbours each picture keeps near it, below the number of pictures; 0: 30, or a third
    of the pictures where that is less."""
    metric: str = "cosine"
    """cosine: the angle between two rows of features; l2: their Euclidean distance."""
    iterations: int = 1000
    """Steps of gradient descent, 250 or more."""
    seed: int = 0
    """Of what is random; the same seed gives the same plane."""
