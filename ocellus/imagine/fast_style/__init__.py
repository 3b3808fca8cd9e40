"""Fast style: a network that paints pictures in one style; the slow optimisation beside it."""

from ocellus.catalog import lazy
from ocellus.imagine.fast_style.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = dict.fromkeys(("build", "build_discriminator", "example"), "model")
_HOMES |= {"Recipe": "recipe", "Run": "config", "optimise": "inference"}
__getattr__ = lazy(__name__, **_HOMES, generate="inference", import_state="convert")
