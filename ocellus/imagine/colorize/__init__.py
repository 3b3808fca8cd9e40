"""Colorization: colour from grey."""

from ocellus.catalog import lazy
from ocellus.imagine.colorize.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_MODEL = dict.fromkeys(("build", "build_discriminator", "example"), "model")
__getattr__ = lazy(
    __name__, **_MODEL, generate="inference", Recipe="recipe", import_state="convert", Run="config"
)
