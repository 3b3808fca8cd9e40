"""pix2pix (Isola 2017): paired image-to-image translation with a conditional adversarial network."""

from ocellus.catalog import lazy
from ocellus.imagine.pix2pix.config import (
    FIT,
    PAPER,
    PREPROCESSING,
    PRESETS,
    TINY,
    Config,
    Run,
    Train,
    adapt,
    view,
)

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Run", "Train", "adapt", "view"]
_MODEL = dict.fromkeys(("build", "build_discriminator", "example", "begin_state"), "model")
__getattr__ = lazy(__name__, **_MODEL, generate="inference", import_state="convert", Recipe="recipe")
