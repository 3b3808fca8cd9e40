"""Guided backpropagation (Springenberg 2015): only positive gradients pass a ReLU."""

from ocellus.catalog import lazy
from ocellus.explain.guided_backprop.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
