"""CAM (Zhou 2016): the map whose mean is the class score."""

from ocellus.catalog import lazy
from ocellus.explain.cam.config import Config

__all__ = ["Config", "explain"]
__getattr__ = lazy(__name__, explain="method")
