"""Grad-CAM (Selvaraju 2017): a layer's maps, weighted by the gradient of an answer."""

from ocellus.catalog import lazy
from ocellus.explain.gradcam.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
