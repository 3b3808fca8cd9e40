"""Guided backpropagation's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How three gradients of a pixel become one number."""

    colors: str = "max"
    """max: the largest magnitude of the three colors, as published; sum: their sum, with its sign."""
