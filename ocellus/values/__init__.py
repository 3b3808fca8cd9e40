"""What systems say: frozen dataclasses of tensors, the same whichever network spoke."""

from ocellus.values.classification import Classification
from ocellus.values.heatmap import Heatmap
from ocellus.values.instances import Instances
from ocellus.values.masks import Masks
from ocellus.values.picture import Picture
from ocellus.values.segmentation import Segmentation

__all__ = ["Classification", "Heatmap", "Instances", "Masks", "Picture", "Segmentation"]
