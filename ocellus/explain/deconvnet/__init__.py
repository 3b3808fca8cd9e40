"""Deconvnet (Zeiler 2014): a network run backwards, from an answer to the pixels."""

from ocellus.catalog import lazy
from ocellus.explain.deconvnet.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
