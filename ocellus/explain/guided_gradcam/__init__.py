"""Guided Grad-CAM (Selvaraju 2017): guided backpropagation inside Grad-CAM's region."""

from ocellus.catalog import lazy
from ocellus.explain.guided_gradcam.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
