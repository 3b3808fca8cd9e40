"""Portrait: a small network that finds people; cut-outs, blurred and other backgrounds."""

from ocellus.catalog import lazy
from ocellus.imagine.portrait.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = dict.fromkeys(("predict", "generate", "compose", "soft_mask", "refine"), "inference")
_HOMES |= {"build": "model", "begin_state": "model", "BEGINNINGS": "config", "Recipe": "recipe"}
__getattr__ = lazy(__name__, **_HOMES)
