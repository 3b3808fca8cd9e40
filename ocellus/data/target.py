"""What a network is to find in one training example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ocellus.data import crops as mask_crops
from ocellus.data.crops import MaskCrops
from ocellus.values import Instances


class Target(NamedTuple):
    """The N objects of one example; boxes and points are pixels of the example."""

    boxes: Tensor  # (N, 4) float32 x1, y1, x2, y2
    labels: Tensor  # (N,) int64
    crowd: Tensor  # (N,) bool
    crops: MaskCrops | None = None
    keypoints: Tensor | None = None  # (N, K, 3) float32 x, y, visibility


def from_instances(instances: Instances, *, keypoints: int = 0) -> Target:
    """Annotated objects as a target; `keypoints` is K, so that a picture without any says so in its shape."""
    count = len(instances)
    points = None
    if keypoints:
        given = instances.keypoints
        points = given.float() if given is not None else torch.zeros(count, keypoints, 3)
    return Target(
        boxes=instances.boxes.float(),
        labels=instances.labels,
        crowd=instances.crowd if instances.crowd is not None else torch.zeros(count, dtype=torch.bool),
        crops=mask_crops.from_masks(instances.masks) if instances.masks is not None else None,
        keypoints=points,
    )


def select(target: Target, chosen: Tensor) -> Target:
    """The chosen objects, by index or (N,) bool."""
    return Target(
        target.boxes[chosen],
        target.labels[chosen],
        target.crowd[chosen],
        mask_crops.select(target.crops, chosen) if target.crops is not None else None,
        target.keypoints[chosen] if target.keypoints is not None else None,
    )


def concatenate(targets: Sequence[Target]) -> Target:
    """The objects of several targets in one example; where only some have masks, the others are blank."""
    parts = [target.crops for target in targets]
    masks = None
    if any(part is not None for part in parts):
        masks = mask_crops.concatenate(
            [part if part is not None else mask_crops.blank(len(target.boxes))
             for part, target in zip(parts, targets, strict=True)]
        )  # fmt: skip
    points = [target.keypoints for target in targets if target.keypoints is not None]
    return Target(
        torch.cat([target.boxes for target in targets]),
        torch.cat([target.labels for target in targets]),
        torch.cat([target.crowd for target in targets]),
        masks,
        torch.cat(points) if points else None,
    )
