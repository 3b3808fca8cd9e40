"""Saliency (Simonyan 2014): the gradient of an answer with respect to the pixels."""

from ocellus.catalog import lazy
from ocellus.explain.saliency.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
