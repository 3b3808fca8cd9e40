"""Masks as pictures: images/, masks/ with a PNG of 16 bits each, and classes.txt.

With one class a pixel holds the number of its object, from 1 on; with several, class * 1000 + object, classes
from 1 and objects from 0 on, as Cityscapes numbers them. 0 is background.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ocellus.data.dataset import Finding
from ocellus.data.id_masks import PER_CLASS
from ocellus.data.masks_png import write_ids
from ocellus.data.write.files import Losses, Names, place_picture, write_text
from ocellus.data.write.shapes import area_differs
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances

HIGHEST = 65535


def write(
    items: Iterable[tuple[str, Instances]],
    folder: Path,
    *,
    labels: LabelMap,
    skeleton: Skeleton | None = None,
) -> tuple[Finding, ...]:
    """Writes masks/ and classes.txt, and images/ where pictures come along.

    Where objects overlap, the one with the higher score keeps the pixels, without scores the earlier one.

    Raises:
        OcellusError: objects without masks, more classes or objects than 16 bits number, a name that cannot
            be used, or a file that cannot be written.
    """
    names, losses = Names(), Losses()
    if len(labels) > 1 and len(labels) >= HIGHEST // PER_CLASS:
        most = HIGHEST // PER_CLASS - 1
        raise OcellusError(f"id masks number at most {most} classes, not {len(labels)}; write COCO instead")
    write_text(folder / "classes.txt", "".join(f"{number} {name}\n" for number, name in enumerate(labels, 1)))
    for name, instances in items:
        names.add(name)
        place_picture(instances, folder / "images" / name)
        losses.add("score-not-held", name, len(instances) if instances.scores is not None else 0)
        losses.add("crowd-not-held", name, int(instances.crowd.sum()) if instances.crowd is not None else 0)
        losses.add("keypoints-not-held", name, len(instances) if instances.keypoints is not None else 0)
        losses.add("area-not-held", name, area_differs(instances))
        numbers = _numbers(instances, name, len(labels))
        ids = paint(instances, numbers, name, losses)
        write_ids(ids, folder / "masks" / PurePosixPath(name).with_suffix(".png"))
    return losses.findings(folder)


def paint(instances: Instances, numbers: list[int], name: str, losses: Losses) -> NDArray[np.uint16]:
    """(H, W) of the objects' numbers, front ones over those behind; what is hidden is counted as lost."""
    ids = np.zeros(instances.size, np.uint16)
    order = list(range(len(instances)))
    if instances.scores is not None:
        order = instances.scores.argsort(descending=True, stable=True).tolist()
    masks = instances.masks
    boxes = masks.bounds() if masks is not None else None
    for index in reversed(order):
        if masks is None or boxes is None:
            break
        left, top, right, bottom = boxes[index].tolist()
        window = masks.window(index, (left, top, right, bottom))
        under = ids[top:bottom, left:right]
        losses.add("overlap-not-held", name, int((under[window] > 0).any()))
        under[window] = numbers[index]
        differs = (instances.boxes[index] - boxes[index]).abs().max() > 1e-3
        losses.add("box-not-held", name, int(bool(differs) and window.any()))
    kept = set(np.unique(ids).tolist())
    losses.add("object-not-held", name, sum(number not in kept for number in numbers))
    return ids


def _numbers(instances: Instances, name: str, classes: int) -> list[int]:
    if instances.masks is None and len(instances):
        raise OcellusError(
            f"the objects of {name} have no masks, which id masks are made of; write COCO or YOLO"
        )
    if classes == 1:
        if len(instances) > HIGHEST:
            raise OcellusError(
                f"{name} has {len(instances)} objects; 16 bits number {HIGHEST}: write COCO instead"
            )
        return list(range(1, len(instances) + 1))
    count: dict[int, int] = {}
    numbers = []
    for label in instances.labels.tolist():
        number = count.get(label, 0)
        if number >= PER_CLASS:
            raise OcellusError(f"{name} has more than {PER_CLASS} objects of a class; write COCO instead")
        count[label] = number + 1
        numbers.append((label + 1) * PER_CLASS + number)
    return numbers
