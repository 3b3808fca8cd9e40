"""t-SNE (van der Maaten 2008): pictures in a plane, those that a network finds alike near each other."""

from ocellus.catalog import lazy
from ocellus.explain.tsne.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
