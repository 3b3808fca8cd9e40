"""FCN (Long 2015): a classifier turned into convolutions, with skips from finer layers."""

from ocellus.catalog import lazy
from ocellus.see.fcn.config import BEGINNINGS, FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["BEGINNINGS", "FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train",
           "adapt", "build"]  # fmt: skip
__getattr__ = lazy(__name__, build="model", predict="inference", Recipe="recipe", import_state="convert",
                   begin_state="convert", convolutionalize="convert")  # fmt: skip
