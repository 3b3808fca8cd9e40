"""SCOUTER (Li 2021): a classifier made of slot attention, which says why and why not."""

from ocellus.catalog import lazy
from ocellus.explain.scouter.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
__getattr__ = lazy(__name__, build="model", predict="inference", explain="inference", begin_state="convert",
                   Recipe="recipe", BEGINNINGS="config", Explain="config")  # fmt: skip
