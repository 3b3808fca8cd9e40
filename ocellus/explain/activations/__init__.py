"""Activation maps: what the units of any layer answer to a picture."""

from ocellus.catalog import lazy
from ocellus.explain.activations.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
