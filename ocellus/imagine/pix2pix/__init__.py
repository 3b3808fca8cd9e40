"""pix2pix (Isola 2017): paired image-to-image translation with a conditional adversarial network."""

from ocellus.catalog import lazy
from ocellus.imagine.pix2pix.config import FIT, PAPER, PREPROCESSING, PRESETS, TINY, Config, Train, adapt

__all__ = ["FIT", "PAPER", "PREPROCESSING", "PRESETS", "TINY", "Config", "Recipe", "Train", "adapt", "build"]
_HOMES = dict.fromkeys(("build", "build_discriminator", "example", "begin_state"), "model")
_HOMES |= {"Recipe": "recipe", "Run": "config", "view": "config"}
__getattr__ = lazy(__name__, **_HOMES, generate="inference", import_state="convert")
