"""Class ascent (Simonyan 2014): a picture that the network itself takes for a class."""

from ocellus.catalog import lazy
from ocellus.explain.class_ascent.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
