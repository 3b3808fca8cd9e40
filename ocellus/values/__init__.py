"""What systems say: frozen dataclasses of tensors, the same whichever network spoke."""

from ocellus.values.activations import Activations, Masking
from ocellus.values.ascent import Ascent
from ocellus.values.classification import Classification
from ocellus.values.embedding import Embedding
from ocellus.values.filters import Filters
from ocellus.values.heatmap import Heatmap
from ocellus.values.instances import Instances
from ocellus.values.masks import Masks
from ocellus.values.neighbours import Neighbours
from ocellus.values.patches import Patch, Patches
from ocellus.values.picture import Picture
from ocellus.values.segmentation import Segmentation

__all__ = [
    "Activations",
    "Ascent",
    "Classification",
    "Embedding",
    "Filters",
    "Heatmap",
    "Instances",
    "Masking",
    "Masks",
    "Neighbours",
    "Patch",
    "Patches",
    "Picture",
    "Segmentation",
]
