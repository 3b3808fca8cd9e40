"""Figures as JSON holds them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite


def for_json(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Figures to six places; None, which is null, for those that nothing could be measured for: JSON has no
    NaN."""
    return {name: round(value, 6) if isfinite(value) else None for name, value in metrics.items()}
