"""Mask R-CNN (He 2017): a region proposal network, RoIAlign, a branch each for box, mask and keypoints."""

from ocellus.catalog import lazy
from ocellus.see.mask_rcnn.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
__getattr__ = lazy(__name__, build="model", predict="inference", import_state="convert", Recipe="recipe")
