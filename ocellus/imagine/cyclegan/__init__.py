"""CycleGAN (Zhu 2017): unpaired image-to-image translation with cycle consistency."""

from ocellus.catalog import lazy
from ocellus.imagine.cyclegan.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = dict.fromkeys(("build", "build_discriminator", "example", "begin_state"), "model")
_HOMES |= {"Recipe": "recipe", "Run": "config", "there_and_back": "inference"}
__getattr__ = lazy(__name__, **_HOMES, generate="inference", import_state="convert")
