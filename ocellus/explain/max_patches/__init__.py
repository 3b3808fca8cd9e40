"""Maximal patches (Zeiler 2014): the parts of many pictures that excite a unit most."""

from ocellus.catalog import lazy
from ocellus.explain.max_patches.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
