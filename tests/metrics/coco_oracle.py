"""pycocotools as an oracle: the same pictures in its form, its numbers under our names."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ocellus.values import Instances

Pictures = Sequence[tuple[Instances, Instances]]
TYPES = {"boxes": "bbox", "masks": "segm", "keypoints": "keypoints"}
PREFIX = {"boxes": "box", "masks": "mask", "keypoints": "keypoint"}


def objects(instances: Instances, image: int) -> list[dict[str, Any]]:
    found = []
    masks = instances.masks.to_coco() if instances.masks is not None else None
    for index in range(len(instances)):
        x1, y1, x2, y2 = instances.boxes[index].double().tolist()
        entry: dict[str, Any] = {
            "image_id": image,
            "category_id": int(instances.labels[index]) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "iscrowd": int(instances.crowd[index]) if instances.crowd is not None else 0,
        }
        if masks is not None:
            entry["segmentation"] = masks[index]
        if instances.keypoints is not None:
            entry["keypoints"] = instances.keypoints[index].double().flatten().tolist()
            entry["num_keypoints"] = int((instances.keypoints[index, :, 2] > 0).sum())
        if instances.scores is not None:
            entry["score"] = float(instances.scores[index])
        if instances.areas is not None:
            entry["area"] = float(instances.areas[index])
        elif masks is not None:
            entry["area"] = float(mask_tools.area(masks[index]))
        else:
            entry["area"] = (x2 - x1) * (y2 - y1)
        found.append(entry)
    return found


def evaluation(
    pictures: Pictures,
    kind: str,
    *,
    classes: int,
    sigmas: Sequence[float] = (),
    limits: Sequence[int] = (1, 10, 100),
) -> COCOeval:
    """pycocotools' evaluation, accumulated."""
    truths, results = [], []
    for image, (prediction, truth) in enumerate(pictures):
        truths += objects(truth, image)
        for entry in objects(prediction, image):
            unwanted = {"boxes": ("segmentation", "keypoints"), "masks": ("bbox", "keypoints")}.get(
                kind, ("bbox", "segmentation")
            )
            results.append(
                {name: value for name, value in entry.items() if name not in (*unwanted, "area", "iscrowd")}
            )
    for number, entry in enumerate(truths, 1):
        entry["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        truth_index = COCO()
        truth_index.dataset = {
            "info": {},
            "images": [
                {"id": image, "height": truth.size[0], "width": truth.size[1]}
                for image, (_, truth) in enumerate(pictures)
            ],
            "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
            "annotations": truths,
        }
        truth_index.createIndex()
        if results:
            found = truth_index.loadRes(results)
        else:
            found = COCO()
            found.dataset = {**truth_index.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth_index, found, TYPES[kind])
        if kind == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        else:
            evaluation.params.maxDets = list(limits)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def numbers(evaluation: COCOeval, kind: str, names: Sequence[str]) -> dict[str, float]:
    """Its numbers under our names; nan for its -1."""
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]  # T R K A M, T K A M

    def mean(values: np.ndarray) -> float:
        known = values[values > -1]
        return float(known.mean()) if known.size else float("nan")

    prefix = PREFIX[kind]
    found = {
        f"{prefix}/AP": mean(precision[:, :, :, 0, -1]),
        f"{prefix}/AP50": mean(precision[0, :, :, 0, -1]),
        f"{prefix}/AP75": mean(precision[5, :, :, 0, -1]),
    }
    for index, limit in enumerate(evaluation.params.maxDets):
        found[f"{prefix}/AR/{limit}"] = mean(recall[:, :, 0, index])
    if kind == "keypoints":
        found[f"{prefix}/AR50"] = mean(recall[0, :, 0, -1])
        found[f"{prefix}/AR75"] = mean(recall[5, :, 0, -1])
    for index, size in enumerate(evaluation.params.areaRngLbl[1:], 1):
        found[f"{prefix}/AP/{size}"] = mean(precision[:, :, :, index, -1])
        found[f"{prefix}/AR/{size}"] = mean(recall[:, :, index, -1])
    for label, name in enumerate(names):
        found[f"{prefix}/AP/{name}"] = mean(precision[:, :, label, 0, -1])
        found[f"{prefix}/AP50/{name}"] = mean(precision[0, :, label, 0, -1])
    return found
