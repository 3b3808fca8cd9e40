"""Counting pixels of two label maps: how often each class of the one lies on each class of the other."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.metrics.overlap import Integers
from ocellus.values.segmentation import IGNORED

Map = NDArray[np.uint8]
Array = NDArray[np.generic]


def label_map(values: Tensor | Array, *, what: str) -> Map:
    """(H, W) labels of any integer type as uint8 on the CPU; uint8 is not copied.

    Args:
        values: (H, W) labels, 255 where there is none.
        what: whose map it is, for the message.

    Raises:
        OcellusError: not two-dimensional, or a label that 8 bits cannot hold.
    """
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 2 or not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise OcellusError(f"{what} is {array.shape} {array.dtype}; a label map is (H, W) of integers")
    if array.dtype == np.uint8:
        return array.view(np.uint8)
    if array.size and (array.min() < 0 or array.max() > IGNORED):
        wrong = array.min() if array.min() < 0 else array.max()
        raise OcellusError(
            f"{what} has label {wrong}; labels are 0 to {IGNORED - 1}, and {IGNORED} for pixels without one"
        )
    return array.astype(np.uint8)


def count_pairs(truth: Map, prediction: Map, *, classes: int) -> Integers:
    """(C+1, C+1) pixels by the truth's class (rows) and the prediction's (columns); first ones: label 255.

    Both labels of a pixel are one number of the smallest type that holds (C+1)² of them, 8 bits up to 15
    classes, 16 up to 180; nothing is widened to 64 bits.

    Args:
        truth: (H, W), 0 to C-1 or 255.
        prediction: (H, W), likewise.
        classes: C.

    Raises:
        OcellusError: the sizes differ, or a label is neither below C nor 255.
    """
    if truth.shape != prediction.shape:
        given, wanted = (f"{shape[1]} x {shape[0]}" for shape in (prediction.shape, truth.shape))
        raise OcellusError(
            f"the prediction is for {given} pixels, the truth for {wanted}; "
            "map predictions back to the annotated size"
        )
    count = classes + 1
    if not truth.size:
        return np.zeros((count, count), np.int64)
    raised = [side + np.uint8(1) for side in (truth, prediction)]  # 255 becomes 0
    for name, side in zip(("truth", "prediction"), raised, strict=True):
        if int(side.max()) > classes:
            raise OcellusError(
                f"the {name} has label {int(side.max()) - 1}, but the {classes} classes have labels 0 to "
                f"{classes - 1} (and {IGNORED} where there is none); give the names of all classes"
            )
    kind = np.uint8 if count <= 16 else np.int16 if count <= 181 else np.int32
    fused = np.multiply(raised[0], count, dtype=kind)
    fused += raised[1]
    found = torch.bincount(torch.from_numpy(fused.reshape(-1)), minlength=count * count)
    return np.asarray(found.numpy()).reshape(count, count)
