"""Synthetic scenes with exact masks, and digits: to learn from, and to try things on, without a download."""

from ocellus.data.synthetic.digits import write_digits
from ocellus.data.synthetic.scene import CLASSES, scene
from ocellus.data.synthetic.write import write_scenes

__all__ = ["CLASSES", "scene", "write_digits", "write_scenes"]
