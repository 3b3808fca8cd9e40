"""From classes of pixels to objects: each connected patch of a class is one."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from ocellus.values import Instances, Masks, Segmentation, runs


def components(
    found: Segmentation, *, classes: tuple[int, ...], smallest: int = 1, diagonal: bool = True
) -> Instances:
    """The connected patches of some classes as objects.

    Objects that touch become one: what this cannot tell apart is what an instance segmenter is for.

    Args:
        found: classes of the pixels; confidences, where there are any, become the objects' scores (the mean
            over their pixels).
        classes: the labels whose patches are objects, not the background.
        smallest: patches of fewer pixels are left out.
        diagonal: pixels that touch by a corner hang together.

    Returns:
        The objects, with the labels' places in `classes` as labels, in rows from the top.
    """
    labels = found.labels.cpu().numpy()
    sure = found.confidence.cpu().float().numpy() if found.confidence is not None else None
    around = np.ones((3, 3), int) if diagonal else None
    counts, boxes, kinds, scores = [], [], [], []
    for place, label in enumerate(classes):
        numbers, amount = ndimage.label(labels == label, structure=around)
        areas = np.bincount(numbers.ravel(), minlength=amount + 1)
        means = ndimage.mean(sure, numbers, range(1, amount + 1)) if sure is not None and amount else None
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), 1):
            if areas[number] < smallest:
                continue
            inside = numbers[rows, columns] == number
            counts.append(runs.encode(inside, size=found.size, top=rows.start, left=columns.start))
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
            kinds.append(place)
            scores.append(float(means[number - 1]) if means is not None else 1.0)
    return Instances(
        size=found.size,
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(kinds, dtype=torch.int64),
        scores=torch.tensor(scores, dtype=torch.float32) if sure is not None else None,
        masks=Masks.from_runs(counts, found.size),
        names=tuple(found.name(label) for label in classes),
        picture=found.picture,
    )
