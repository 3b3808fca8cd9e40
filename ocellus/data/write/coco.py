"""COCO's JSON: annotations/instances.json (one for each split) and images/, or a results file for its metric.

Lossless: masks are polygons where COCO's rasteriser gives their pixels back, else packed run lengths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ocellus.data.dataset import Finding
from ocellus.data.instances import coco_polygons
from ocellus.data.write.files import Names, place_picture, writing
from ocellus.data.write.shapes import drawn_rings, short
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances, Masks, runs


def write(
    items: Iterable[tuple[str, Instances]],
    folder: Path,
    *,
    labels: LabelMap,
    skeleton: Skeleton | None = None,
) -> tuple[Finding, ...]:
    """Writes annotations/instances.json, or instances_train.json and so on, and images/.

    Category ids count from 1. Scores are written as "score", which readers of annotations pass over.

    Raises:
        OcellusError: a name cannot be used, or a file cannot be written.
    """
    names = Names()
    streams: dict[str, TextIO] = {}
    images: dict[str, list[str]] = {}
    filled: set[str] = set()
    image_id = object_id = 0
    with ExitStack() as stack:
        for name, instances in items:
            split = names.add(name)
            if split not in streams:
                file = folder / "annotations" / (f"instances_{split}.json" if split else "instances.json")
                streams[split] = stack.enter_context(writing(file))
                streams[split].write('{"annotations": [')
                images[split] = []
            place_picture(instances, folder / "images" / name)
            image_id += 1
            height, width = instances.size
            entry = {"id": image_id, "file_name": name, "height": height, "width": width}
            images[split].append(_dump(entry))
            for index in range(len(instances)):
                object_id += 1
                head = {
                    "id": object_id,
                    "image_id": image_id,
                    "category_id": int(instances.labels[index]) + 1,
                }
                comma = ",\n" if split in filled else "\n"
                filled.add(split)
                streams[split].write(comma + _dump(head | _annotation(instances, index)))
        if not streams:
            streams[""] = stack.enter_context(writing(folder / "annotations" / "instances.json"))
            streams[""].write('{"annotations": [')
            images[""] = []
        for split, stream in streams.items():
            categories = _dump(_categories(labels, skeleton))
            listed = ",\n".join(images[split])
            stream.write(f'\n],\n"images": [\n{listed}\n],\n"categories": {categories}}}\n')
    return ()


def write_results(
    items: Iterable[tuple[str, Instances]],
    path: Path,
    *,
    image_ids: Mapping[str, int],
    label_ids: Sequence[int] = (),
) -> tuple[Finding, ...]:
    """Writes predictions as COCO's results: a list of objects with image_id, category_id and score.

    Args:
        items: names and predictions.
        path: the JSON file.
        image_ids: the id of each picture in the annotations that the results are for.
        label_ids: the category id of each label there; from 1 on where not given.

    Raises:
        OcellusError: a picture has no id, predictions have no scores, or the file cannot be written.
    """
    first = True
    with writing(path) as stream:
        stream.write("[")
        for name, instances in items:
            if name not in image_ids:
                raise OcellusError(
                    f"{name} has no image id; results are for the pictures of one annotation file"
                )
            if instances.scores is None:
                raise OcellusError(
                    f"the objects of {name} have no scores; results are of predictions", exit_code=2
                )
            for index in range(len(instances)):
                label = int(instances.labels[index])
                found = _annotation(instances, index)
                del found["area"], found["iscrowd"]
                found.pop("num_keypoints", None)
                if not found["segmentation"]:
                    del found["segmentation"]
                number = label_ids[label] if label_ids else label + 1
                head = {"image_id": image_ids[name], "category_id": number}
                stream.write(("\n" if first else ",\n") + _dump(head | found))
                first = False
        stream.write("\n]\n")
    return ()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=True)


def _annotation(instances: Instances, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {"bbox": _box(instances, index)}
    if instances.areas is not None:
        found["area"] = short(instances.areas[index])[0]
    elif instances.masks is not None:
        found["area"] = int(instances.masks.run_lengths(index)[1::2].sum())
    else:
        found["area"] = found["bbox"][2] * found["bbox"][3]
    found["iscrowd"] = int(instances.crowd[index]) if instances.crowd is not None else 0
    found["segmentation"] = _segmentation(instances.masks, index) if instances.masks is not None else []
    if instances.keypoints is not None:
        points = instances.keypoints[index]
        found["keypoints"] = [int(v) if v.is_integer() else v for v in short(points)]
        found["num_keypoints"] = int((points[:, 2] > 0).sum())
    if instances.scores is not None:
        found["score"] = short(instances.scores[index])[0]
    return found


def _box(instances: Instances, index: int) -> list[float]:
    """x, y, width, height that are read back to the same float32 corners."""
    x1, y1, x2, y2 = short(instances.boxes[index])
    exact = instances.boxes[index].double().tolist()
    sides = []
    for low, high, side in ((x1, x2, 0), (y1, y2, 1)):
        length = round(high - low, 4)
        if np.float32(low + length) != np.float32(exact[side + 2]):
            length = exact[side + 2] - low
        sides.append(length)
    return [x1, y1, *sides]


def _segmentation(masks: Masks, index: int) -> Any:
    if masks.polygons and masks.polygons[index] == ():
        return []
    known = drawn_rings(masks, index, coco_polygons)
    if known is not None:
        return [ring.ravel().tolist() for ring in known]
    return {"size": list(masks.size), "counts": runs.to_bytes(masks.run_lengths(index)).decode("ascii")}


def _categories(labels: LabelMap, skeleton: Skeleton | None) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {}
    if skeleton is not None:
        shared["keypoints"] = list(skeleton.names)
        shared["skeleton"] = [[a + 1, b + 1] for a, b in skeleton.edges]
        shared["flip_pairs"] = [list(pair) for pair in skeleton.flip_pairs]
        shared["sigmas"] = list(skeleton.sigmas)
    return [
        {"id": number, "name": name, "supercategory": ""} | shared for number, name in enumerate(labels, 1)
    ]
