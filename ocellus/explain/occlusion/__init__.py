"""Occlusion (Zeiler 2014): how much an answer drops when a place is covered."""

from ocellus.catalog import lazy
from ocellus.explain.occlusion.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
