"""The losses of Mask R-CNN: pure functions of what the network answered and what there was to find.

Every loss touches every parameter it trains, with no objects too (then as a sum times zero), so that the
processes of a distributed run always exchange the same gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.data.crops import sample as sample_crops
from ocellus.data.target import Target
from ocellus.nn.boxes import encode
from ocellus.nn.matching import BACKGROUND, balanced, match
from ocellus.nn.ragged import batch_rois, unpadded
from ocellus.see.mask_rcnn.config import Config, Train
from ocellus.see.mask_rcnn.model import BOX_WEIGHTS, Proposals


class Samples(NamedTuple):
    """The regions whose loss is counted, of all pictures; each picture's objects before its background."""

    boxes: Tensor  # (R, 5) picture's index, x1, y1, x2, y2
    objects: Tensor  # (R,) int64 index of the object among its picture's, -1 background
    labels: Tensor  # (R,) int64 its class, -1 background
    matched: Tensor  # (R, 4) its box; the region itself where there is none

    def positives(self) -> Samples:
        """Those that are objects."""
        return Samples(*(part[self.objects >= 0] for part in self))


def proposal_loss(
    proposals: Proposals, targets: Sequence[Target], train: Train, *, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Objectness and box loss of the anchors (Ren 2015, arXiv:1506.01497, equation 1).

    Differs from the paper: both are divided by the number of sampled anchors (torchvision, detectron2).

    Returns:
        "proposal_score" and "proposal_box".
    """
    chosen, labels, wanted = [], [], []
    for index, target in enumerate(targets):
        matches = match(
            proposals.anchors,
            target.boxes,
            crowd=target.crowd,
            high=train.anchor_high,
            low=train.anchor_low,
            best=True,
        )
        picked = balanced(
            matches, count=train.anchors_per_picture, positive=train.anchor_positive, generator=generator
        )
        objects = matches[picked]
        chosen.append(picked + index * len(proposals.anchors))
        labels.append(objects >= 0)
        matched = target.boxes[objects[objects >= 0]]
        wanted.append(encode(matched, proposals.anchors[picked[objects >= 0]]))
    rows, positive = torch.cat(chosen), torch.cat(labels)
    count = max(len(rows), 1)
    logits = proposals.logits.flatten()[rows]
    deltas = proposals.deltas.flatten(0, 1)[rows[positive]]
    score = F.binary_cross_entropy_with_logits(logits, positive.to(logits.dtype), reduction="sum")
    box = distance(deltas, torch.cat(wanted), beta=train.box_smoothness)
    return {"proposal_score": score / count, "proposal_box": box / count}


def sample(
    proposals: Proposals, targets: Sequence[Target], train: Train, *, generator: torch.Generator | None = None
) -> Samples:
    """Regions to learn from: proposals and the objects' own boxes, at most a share of them objects.

    Args:
        proposals: of the batch.
        targets: of each picture.
        train: overlap, number and share.
        generator: of the random choice, on the CPU.
    """
    boxes, objects, labels, matched = [], [], [], []
    for regions, target in zip(unpadded(proposals.boxes, proposals.valid), targets, strict=True):
        regions = torch.cat([regions, target.boxes[~target.crowd]])
        overlap = train.region_overlap
        matches = match(regions, target.boxes, crowd=target.crowd, high=overlap, low=overlap)
        picked = balanced(
            matches, count=train.regions_per_picture, positive=train.region_positive, generator=generator
        )
        found = matches[picked]
        real = found >= 0
        boxes.append(regions[picked])
        objects.append(found)
        labels.append(torch.full_like(found, BACKGROUND).masked_scatter(real, target.labels[found[real]]))
        matched.append(regions[picked].index_put((torch.nonzero(real)[:, 0],), target.boxes[found[real]]))
    return Samples(batch_rois(boxes), torch.cat(objects), torch.cat(labels), torch.cat(matched))


def box_loss(
    logits: Tensor, deltas: Tensor, samples: Samples, *, config: Config, train: Train
) -> dict[str, Tensor]:
    """Cross entropy of the class, distance of the true class's box (Girshick 2015, arXiv:1504.08083).

    Args:
        logits: (R, C + 1).
        deltas: (R, C, 4).
        samples: the R regions.
        config: for the background's place.
        train: for the smoothness.

    Returns:
        "class" and "box", each divided by R.
    """
    background = config.classes if config.background_last else 0
    shifted = samples.labels if config.background_last else samples.labels + 1
    classes = torch.where(samples.labels < 0, background, shifted)
    real = torch.nonzero(samples.labels >= 0)[:, 0]
    own = deltas[real, samples.labels[real]]
    wanted = encode(samples.matched[real], samples.boxes[real, 1:], weights=BOX_WEIGHTS)
    count = max(len(logits), 1)
    return {
        "class": F.cross_entropy(logits, classes, reduction="sum") / count,
        "box": distance(own, wanted, beta=train.box_smoothness) / count,
    }


def mask_loss(logits: Tensor, samples: Samples, targets: Sequence[Target]) -> Tensor:
    """Mean binary cross entropy over the pixels of each object's mask (section 3).

    Where all outputs are given they compete in a softmax, the paper's comparison (table 2b).

    Args:
        logits: (P, M, M) of each object's own class, or (P, 1 + C, M, M) that compete, background first.
        samples: the P regions that are objects.
        targets: of each picture; objects without a mask do not count.
    """

    def wanted(target: Target, objects: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        if target.crops is None:
            return boxes.new_zeros(len(boxes), *logits.shape[-2:]), torch.zeros_like(
                objects, dtype=torch.bool
            )
        masks = sample_crops(target.crops, objects, boxes, logits.shape[-1])
        return masks, (target.crops.windows[objects, 2:] > 0).all(dim=1)

    masks, known = per_picture(samples, targets, wanted) or (logits.new_zeros(logits.shape[:1]), None)
    if known is None:
        return logits.sum() * 0
    if logits.ndim == 3:
        each = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    else:
        places = logits.log_softmax(dim=1)
        own = places.gather(1, (samples.labels + 1)[:, None, None, None].expand(-1, 1, *masks.shape[1:]))
        each = -(masks * own[:, 0] + (1 - masks) * places[:, 0])
    return (each.mean(dim=(1, 2)) * known).sum() / known.sum().clamp(min=1)


def keypoint_loss(logits: Tensor, samples: Samples, targets: Sequence[Target]) -> Tensor:
    """Cross entropy over the positions of each keypoint's map (section 5), mean over the points in regions.

    Args:
        logits: (P, K, m, m).
        samples: the P regions that are objects.
        targets: of each picture.
    """
    side = logits.shape[-1]

    def wanted(target: Target, objects: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        if target.keypoints is None:
            places = objects[:, None].expand(-1, logits.shape[1])
            return places, torch.zeros_like(places, dtype=torch.bool)
        return keypoint_places(target.keypoints[objects], boxes, side=side)

    places, known = per_picture(samples, targets, wanted) or (None, None)
    if places is None or known is None or not bool(known.any()):
        return logits.sum() * 0
    return F.cross_entropy(logits.flatten(2)[known], places[known])


def keypoint_places(keypoints: Tensor, boxes: Tensor, *, side: int) -> tuple[Tensor, Tensor]:
    """The position of each keypoint in the map of its box.

    A point on the box's right or lower border belongs to the last column or row (as in torchvision).

    Args:
        keypoints: (P, K, 3) x, y, visibility.
        boxes: (P, 4).
        side: m, of the map.

    Returns:
        (P, K) int64 row * m + column, and (P, K) bool: the point is given and inside.
    """
    corner, far = boxes[:, None, :2], boxes[:, None, 2:]
    points = keypoints[:, :, :2]
    cell = ((points - corner) * (side / (far - corner))).floor().long()
    cell = torch.where(points == far, side - 1, cell)  # (P, K, 2) column, row
    inside = ((cell >= 0) & (cell < side)).all(dim=2) & (keypoints[:, :, 2] > 0)
    return torch.where(inside, cell[:, :, 1] * side + cell[:, :, 0], 0), inside


def per_picture(
    samples: Samples,
    targets: Sequence[Target],
    wanted: Callable[[Target, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor] | None:
    """`wanted(target, objects, boxes)` of each picture's regions, joined; None where there are no regions."""
    parts = []
    for index, target in enumerate(targets):
        here = samples.boxes[:, 0] == index
        if bool(here.any()):
            parts.append(wanted(target, samples.objects[here], samples.boxes[here, 1:]))
    if not parts:
        return None
    return torch.cat([values for values, _ in parts]), torch.cat([known for _, known in parts])


def distance(deltas: Tensor, wanted: Tensor, *, beta: float) -> Tensor:
    """(N, 4), (N, 4) -> () sum of the smooth L1 distance, plain L1 where beta is 0; 0 where N is 0."""
    return F.smooth_l1_loss(deltas, wanted, beta=beta, reduction="sum")
