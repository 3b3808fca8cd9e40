"""Nearest neighbours: the stored pictures that a network finds most like a given one."""

from ocellus.catalog import lazy
from ocellus.explain.neighbours.config import Config

__all__ = ["Config", "explain", "neighbours_of", "probe_picture", "search_of", "see_space", "space_of"]
__getattr__ = lazy(__name__, **dict.fromkeys(__all__[1:], "method"))
