"""Colorization: colour from grey."""

from ocellus.catalog import lazy
from ocellus.imagine.colorize.config import (
    FIT,
    PAPER,
    PREPROCESSING,
    PRESETS,
    TINY,
    Config,
    Run,
    Train,
    adapt,
)

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Run", "Train", "adapt", "build"]
_MODEL = {"build": "model", "build_discriminator": "model", "example": "model"}
__getattr__ = lazy(__name__, **_MODEL, generate="inference", Recipe="recipe", import_state="convert")
