"""Nearest neighbours: the stored pictures that a network finds most like a given one."""

from ocellus.catalog import lazy
from ocellus.explain.neighbours.config import Config

__all__ = ["Config", "Nearest", "explain", "search_of", "space_of"]
__getattr__ = lazy(__name__, explain="method", search_of="method", space_of="method", Nearest="search")
