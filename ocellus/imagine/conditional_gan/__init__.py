"""Conditional GAN: draws small pictures of a class, P(X | class), or without one, P(X)."""

from ocellus.catalog import lazy
from ocellus.imagine.conditional_gan.config import (
    FIT,
    PAPER,
    PREPROCESSING,
    PRESETS,
    TINY,
    Config,
    Train,
    adapt,
)

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = {"Run": "config", "build_discriminator": "model", "example": "model", "generate": "inference"}
__getattr__ = lazy(__name__, build="model", import_state="convert", Recipe="recipe", **_HOMES)
