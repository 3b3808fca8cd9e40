"""Image classification: VGG, ResNet, SqueezeNet, and networks for small pictures and drawings."""

from ocellus.catalog import lazy
from ocellus.see.classifier.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
__getattr__ = lazy(__name__, build="model", predict="inference", import_state="convert", Recipe="recipe")
