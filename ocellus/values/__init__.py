"""What systems say: frozen dataclasses of tensors, the same whichever network spoke."""

from ocellus.values.instances import Instances
from ocellus.values.masks import Masks
from ocellus.values.picture import Picture
from ocellus.values.segmentation import Segmentation

__all__ = ["Instances", "Masks", "Picture", "Segmentation"]
