"""Whether an explanation lies on the object: the pointing game, and boxes from networks that know only names.

This asks for more than honesty: a network that recognises boats by the water is explained rightly by a map of
the water, and misses here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torchvision.ops import box_iou

from ocellus.errors import OcellusError
from ocellus.values import Heatmap


def pointing_hit(
    values: Tensor, *, boxes: Tensor | None = None, masks: Tensor | None = None, tolerance: float = 0.0
) -> bool:
    """The pointing game (Zhang 2018, arXiv:1608.00507, section 4): is a map highest on the object?

    A map without a highest place (all equal) misses.

    Args:
        values: (H, W) the map.
        boxes: (N, 4) x1, y1, x2, y2 of the objects of the class, in pixels.
        masks: (N, H, W) bool of them; given in place of boxes.
        tolerance: pixels that it may lie beside the object; the paper takes 15.

    Raises:
        OcellusError: neither or both of boxes and masks. Exit code 2.
    """
    there = covered(_size(values), boxes=boxes, masks=masks)
    if not there.any() or float(values.amax()) == float(values.amin()):
        return False
    row, column = divmod(int(values.argmax()), values.shape[1])
    away = ndimage.distance_transform_edt(~there.cpu().numpy())
    return bool(away[row, column] <= tolerance)


def share_inside(values: Tensor, *, boxes: Tensor | None = None, masks: Tensor | None = None) -> float:
    """The share of a map's positive part that lies on the object (Wang 2020, arXiv:1910.01279, section 4.3).

    Args:
        values: (H, W) the map.
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        masks: (N, H, W) bool; given in place of boxes.

    Returns:
        0 to 1; nan where nothing is positive.

    Raises:
        OcellusError: neither or both of boxes and masks. Exit code 2.
    """
    there = covered(_size(values), boxes=boxes, masks=masks).to(values.device)
    positive = values.clamp(min=0).double()
    total = float(positive.sum())
    return float((positive * there).sum()) / total if total > 0 else float("nan")


def covered(size: tuple[int, int], *, boxes: Tensor | None = None, masks: Tensor | None = None) -> Tensor:
    """(H, W) bool: the pixels that boxes or masks cover, any part of a pixel counted.

    Args:
        size: H, W.
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        masks: (N, H, W) bool; given in place of boxes.

    Raises:
        OcellusError: neither or both are given, or masks of another size. Exit code 2.
    """
    if (boxes is None) == (masks is None):
        raise OcellusError("where the object is, is said by boxes or by masks: give one of them", exit_code=2)
    if masks is not None:
        if tuple(masks.shape[1:]) != size:
            message = f"masks of {tuple(masks.shape[1:])} for a map of {size}"
            raise OcellusError(f"{message}: H and W must be the same", exit_code=2)
        return masks.bool().any(dim=0)
    assert boxes is not None
    there = torch.zeros(size, dtype=torch.bool)
    for x1, y1, x2, y2 in boxes.float().tolist():
        rows = slice(max(int(np.floor(y1)), 0), max(int(np.ceil(y2)), 0))
        there[rows, max(int(np.floor(x1)), 0) : max(int(np.ceil(x2)), 0)] = True
    return there


def localised(found: Tensor | None, truth: Tensor, *, overlap: float = 0.5) -> bool:
    """Whether a box made of a map is one of the object's.

    Args:
        found: (4,) x1, y1, x2, y2; None: the map had no box.
        truth: (N, 4) of the objects of the class.
        overlap: the intersection over union that counts, 0.5 in most papers.
    """
    if found is None or not len(truth):
        return False
    return bool(box_iou(found[None].float(), truth.float()).amax() >= overlap)


def localisation_accuracy(
    heatmaps: Sequence[Heatmap],
    truths: Sequence[Tensor],
    *,
    shares: Sequence[float] = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    overlap: float = 0.5,
) -> dict[float, float]:
    """Weakly supervised localisation: boxes from maps of a network that only ever learned names.

    The box is that around the largest part of what is above a share of the map's largest value (Zhou 2016,
    arXiv:1512.04150, section 3.2). The share decides much: choose it on other pictures than you report (Choe
    2020, arXiv:2001.07437).

    Args:
        heatmaps: one a picture.
        truths: (N, 4) boxes of the class, of each picture.
        shares: to be tried.
        overlap: the intersection over union that counts.

    Returns:
        For each share the part of the pictures whose box is right.

    Raises:
        OcellusError: as many maps as truths are needed, and at least one. Exit code 2.
    """
    if len(heatmaps) != len(truths) or not heatmaps:
        message = f"{len(heatmaps)} maps and the boxes of {len(truths)} pictures"
        raise OcellusError(f"{message}: give one each, and at least one", exit_code=2)
    return {
        share: float(
            np.mean(
                [localised(h.box(share), t, overlap=overlap) for h, t in zip(heatmaps, truths, strict=True)]
            )
        )
        for share in shares
    }


def _size(values: Tensor) -> tuple[int, int]:
    return int(values.shape[-2]), int(values.shape[-1])
