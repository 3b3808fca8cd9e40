"""Conditional GAN: draws small pictures of a class, P(X | class), or without one, P(X)."""

from ocellus.catalog import lazy
from ocellus.imagine.conditional_gan.config import FIT, PAPER, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = dict.fromkeys(("build", "build_discriminator", "example"), "model")
_HOMES |= {"Recipe": "recipe", "Run": "config", "PREPROCESSING": "config"}
__getattr__ = lazy(__name__, **_HOMES, generate="inference", import_state="convert")
