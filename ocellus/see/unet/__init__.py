"""U-Net (Ronneberger 2015), and its dual-frame and tight-frame variants (Han, Ye 2018)."""

from ocellus.catalog import lazy
from ocellus.see.unet.config import BEGINNINGS, FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["BEGINNINGS", "FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train",
           "adapt", "build"]  # fmt: skip
__getattr__ = lazy(__name__, build="model", begin_state="model", predict="inference", restore="inference",
                   Recipe="recipe", Restoration="recipe")  # fmt: skip
