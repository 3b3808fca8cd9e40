"""First-layer filters: what the network looks for in the pixels themselves."""

from ocellus.catalog import lazy
from ocellus.explain.filters.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
