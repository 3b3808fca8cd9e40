"""CycleGAN (Zhu 2017): unpaired image-to-image translation with cycle consistency."""

from ocellus.catalog import lazy
from ocellus.imagine.cyclegan.config import (
    FIT,
    PAPER,
    PREPROCESSING,
    PRESETS,
    TINY,
    Config,
    Run,
    Train,
    adapt,
)

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Run", "Train", "adapt", "build"]
_MODEL = dict.fromkeys(("build", "build_discriminator", "example", "begin_state"), "model")
_INFERENCE = dict.fromkeys(("generate", "there_and_back"), "inference")
__getattr__ = lazy(__name__, **_MODEL, **_INFERENCE, import_state="convert", Recipe="recipe")
