"""PSPNet (Zhao 2017): a dilated ResNet, and averages over regions of several sizes beside its features."""

from ocellus.catalog import lazy
from ocellus.see.pspnet.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
__getattr__ = lazy(__name__, build="model", predict="inference", import_state="convert", Recipe="recipe")
