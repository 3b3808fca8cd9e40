"""Synthetic scenes with exact masks: to learn from, and to try things on, where no data is at hand."""

from ocellus.data.synthetic.scene import CLASSES, scene
from ocellus.data.synthetic.write import write_scenes

__all__ = ["CLASSES", "scene", "write_scenes"]
