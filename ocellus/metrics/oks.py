"""Object keypoint similarity, and the spreads (sigmas) of the keypoints that it needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from ocellus.errors import OcellusError
from ocellus.labels import COCO_PERSON, Skeleton
from ocellus.metrics.overlap import Flags, Floats, box_areas, foreground
from ocellus.values import Instances


def object_areas(instances: Instances) -> Floats:
    """(N,) the area of each object in pixels: as annotated, else of its mask, else of its box."""
    if instances.areas is not None:
        return instances.areas.cpu().numpy().astype(np.float64)
    if instances.masks is not None:
        return foreground(instances.masks).areas.astype(np.float64)
    return box_areas(instances.boxes.cpu().numpy().astype(np.float64))


def similarities(
    detections: Floats, truths: Floats, boxes: Floats, areas: Floats, *, sigmas: Floats
) -> Floats:
    """(P,) object keypoint similarities of pairs, between 0 and 1.

    With d_i the distance between the points i, s² the object's area and k_i = 2 σ_i:
    OKS = mean over the annotated points i of exp(-d_i² / (2 s² k_i²)).
    Where an object has no annotated point, d_i is the distance to its box made three times as large, so that
    detections around it match it (and are then left out with it).
    Source: COCO, "Keypoint Evaluation", 1.2-1.3.

    Args:
        detections: (P, K, 3) x, y, score.
        truths: (P, K, 3) x, y, visibility.
        boxes: (P, 4) x1, y1, x2, y2 of the truths.
        areas: (P,) of the truths, in pixels.
        sigmas: (K,) spreads in units of the square root of the area.
    """
    seen = truths[:, :, 2] > 0  # (P, K)
    blank = ~seen.any(1)
    offset = detections[:, :, :2] - truths[:, :, :2]  # (P, K, 2)
    if blank.any():
        low, side = boxes[blank, None, :2], boxes[blank, None, 2:] - boxes[blank, None, :2]
        points = detections[blank, :, :2]
        offset[blank] = np.maximum(low - side - points, 0) + np.maximum(points - (low + side * 2), 0)
        seen[blank] = True
    error = (offset**2).sum(2) / (2 * sigmas) ** 2 / (areas[:, None] + np.spacing(1)) / 2
    return np.asarray(np.where(seen, np.exp(-error), 0).sum(1) / seen.sum(1))


def keypoint_areas(keypoints: Floats) -> Floats:
    """(N,) area of the box around all K points of each detection, as COCO takes it; (N, K, 3) in."""
    extent = keypoints[:, :, :2].max(1) - keypoints[:, :, :2].min(1)
    return np.asarray(extent[:, 0] * extent[:, 1])


# Makes the estimate's median on COCO's annotated persons equal to the median of COCO's own 17 sigmas, 0.072.
NEAREST_FRACTION = 0.26
# COCO's largest sigma, the hip's: a point far from all others is not therefore hard to place.
LARGEST_SIGMA = 0.107
SMALLEST_SIGMA = 0.005
ENOUGH_OBJECTS = 1000  # medians settle long before; bounds the memory, K * K numbers an object


def estimate_sigmas(annotations: Iterable[Instances]) -> tuple[float, ...]:
    """Spreads of K keypoints from annotations, where nobody measured them; a stand-in, with a warning.

    COCO's sigmas are the scatter of many annotators who marked the same objects, which one annotation of an
    object cannot show. The estimate rests on this: points that lie close together are marked more finely, to
    be told apart. With d_ij the median of |p_i - p_j| / √area over the objects that have both points:
    σ_i = 0.26 · min over j of d_ij, held between 0.005 and 0.107.
    On COCO's persons this comes within a factor of 1.6 of the published values.
    Values of OKS and AP from estimated sigmas compare within a data set, not with another's.

    Args:
        annotations: truths with keypoints (N, K, 3); no more are read once 1,000 objects are seen.

    Returns:
        K sigmas.

    Raises:
        OcellusError: the pictures differ in K, or hold no keypoints, or a point is nowhere annotated beside
            another one.
    """
    near: list[Floats] = []
    for instances in annotations:
        if len(near) >= ENOUGH_OBJECTS:
            break
        if instances.keypoints is None or not len(instances):
            continue
        points = instances.keypoints.cpu().numpy().astype(np.float64)
        scale = np.sqrt(np.maximum(object_areas(instances), 1))
        for keypoints, size in zip(points, scale, strict=True):
            distance = (
                np.linalg.norm(keypoints[:, None, :2] - keypoints[None, :, :2], axis=2) / size
            )  # (K, K)
            known = keypoints[:, 2] > 0
            distance[~(known[:, None] & known)] = np.nan
            np.fill_diagonal(distance, np.nan)
            near.append(distance)
    if not near or len({distance.shape for distance in near}) > 1:
        given = sorted({len(distance) for distance in near})
        raise OcellusError(
            f"sigmas need annotated keypoints, equally many for every object; given are {given or 'none'}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # points never annotated together have no median
        nearest = np.nanmin(np.nanmedian(np.stack(near), axis=0), axis=1)
    if np.isnan(nearest).any():
        missing = int(np.flatnonzero(np.isnan(nearest))[0])
        raise OcellusError(
            f"keypoint {missing} is nowhere annotated beside another one, which its sigma would be estimated "
            "from; give sigmas of your own"
        )
    sigmas = np.clip(NEAREST_FRACTION * nearest, SMALLEST_SIGMA, LARGEST_SIGMA)
    warnings.warn(
        f"sigmas of {len(sigmas)} keypoints are estimated from {len(near)} annotated objects; keypoint AP "
        "then compares within this data set only (PCK and NME need no sigmas)",
        stacklevel=2,
    )
    return tuple(float(sigma) for sigma in sigmas)


def sigmas_of(skeleton: Skeleton, annotations: Iterable[Instances]) -> tuple[float, ...]:
    """The skeleton's own sigmas; COCO's for COCO's 17 points by name; else estimated, with a warning."""
    if skeleton.sigmas:
        return skeleton.sigmas
    if skeleton.names == COCO_PERSON.names:
        return COCO_PERSON.sigmas
    return estimate_sigmas(annotations)


def check_sigmas(sigmas: tuple[float, ...]) -> None:
    """Refuses sigmas that are not above zero.

    Raises:
        OcellusError: one of them is not a positive number.
    """
    values: Floats = np.asarray(sigmas, np.float64)
    usable: Flags = np.isfinite(values) & (values > 0)
    if not usable.all():
        raise OcellusError(f"sigmas are positive numbers, one a keypoint; given are {list(sigmas)}")
