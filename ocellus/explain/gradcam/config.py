"""Grad-CAM's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How the maps are weighted, and which part of the result is shown."""

    part: str = "positive"
    """positive: what speaks for the answer (the paper's ReLU); negative: against it; both: signed."""
    weights: str = "auto"
    """mean: one for each channel, as published; place: one for each channel and place; auto: place where a
    detector's box, mask or keypoint is explained, whose head does not average over places, else mean."""
