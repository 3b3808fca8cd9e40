"""Fast style: a network that paints pictures in one style; the slow optimisation beside it."""

from ocellus.catalog import lazy
from ocellus.imagine.fast_style.config import (
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
_MODEL = dict.fromkeys(("build_discriminator", "example"), "model") | {"optimise": "inference"}
__getattr__ = lazy(
    __name__, build="model", generate="inference", Recipe="recipe", import_state="convert", **_MODEL
)
