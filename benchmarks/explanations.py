"""How far each method can be trusted, in one table: `python -m benchmarks.explanations [--pictures N]`.

Of a classifier (SqueezeNet 1.0 with its authors' weights, ../shared/data/imagenet, the top class):
the mean area under the deletion and the insertion curve (probability, mean over two baselines), and the check
with thrown weights: how alike the map stays, and for how many pictures it is flagged.

Of the same classifier on photographs with boxes and masks (`--pointing DATA`, ../shared/data/coco): every
class of a picture that ImageNet has a name for is asked for, whether the network finds it or not, as Zhang
et al. do (arXiv:1608.00507, section 4), and the map should be highest on an object of that class and lie
inside its box; "box" is the share of the maps whose box overlaps one of them by half (`Heatmap.box(0.15)`).
Below the methods what is found without any: the middle of the picture, and a random place.

Of a detector (`--detector MODEL DATA`): for objects of the validation pictures that are found (overlap of a
half or more), whether the map of box i is highest on object i, by its mask and by its box, and which share of
the map lies on it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torchvision.ops import box_iou

import ocellus
from ocellus import catalog, weights
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.foreign import read_foreign
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.explaining import heat_methods
from ocellus.metrics.pointing import covered, localised, pointing_hit, share_inside
from ocellus.nn.class_scores import logits_in
from ocellus.values import Heatmap

SHARED = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
IMAGENET = {
    "airplane": "airliner",
    "apple": "Granny Smith",
    "backpack": "backpack",
    "banana": "banana",
    "bear": "brown bear, American black bear, ice bear",
    "bed": "four-poster, studio couch, quilt",
    "bench": "park bench",
    "bicycle": "mountain bike, bicycle-built-for-two",
    "boat": "speedboat, canoe, catamaran",
    "bottle": "beer bottle, pop bottle, water bottle, wine bottle",
    "bowl": "mixing bowl, soup bowl",
    "broccoli": "broccoli",
    "bus": "minibus, school bus, trolleybus",
    "car": "sports car, convertible, beach wagon",
    "cat": "tabby, tiger cat, Persian cat, Siamese cat, Egyptian cat",
    "chair": "folding chair, rocking chair",
    "couch": "studio couch",
    "cow": "ox",
    "cup": "cup, coffee mug",
    "dining table": "dining table",
    "elephant": "Indian elephant, African elephant",
    "handbag": "purse",
    "horse": "sorrel",
    "hot dog": "hotdog",
    "keyboard": "computer keyboard",
    "laptop": "laptop, notebook",
    "microwave": "microwave",
    "motorcycle": "motor scooter, moped",
    "orange": "orange",
    "oven": "stove",
    "parking meter": "parking meter",
    "pizza": "pizza",
    "potted plant": "pot",
    "refrigerator": "refrigerator",
    "sheep": "ram",
    "sink": "washbasin",
    "teddy bear": "teddy",
    "toilet": "toilet seat",
    "train": "bullet train, electric locomotive, steam locomotive",
    "tv": "television, screen, monitor",
    "umbrella": "umbrella",
    "wine glass": "goblet, red wine",
    "zebra": "zebra",
}
"""COCO's classes and what ImageNet has of them. Dogs, which it has 118 of, are taken by their numbers."""
DOGS = slice(151, 269)
SMALL, LARGE = 0.02, 0.6
"""Shares of the picture between which the objects of a class cover enough to be seen and too little to be hit
anywhere."""
BOX = 0.15
OBJECTS = 3
"""Found objects of a picture that are explained."""


def squeezenet() -> Explainable:
    """SqueezeNet 1.0 with its authors' weights."""
    path = SHARED / "data" / "weights" / "squeezenet1_0.pt"
    state = read_foreign(path)
    _, _, labels = catalog.system("see/classifier").import_state(state)
    return explainable(weights.of_foreign("see/classifier", state, source=str(path)), names=labels.names)


def classifier_table(methods: Sequence[str], count: int) -> None:
    """Deletion, insertion and the check, method by method."""
    ready = squeezenet()
    files = sorted((SHARED / "data" / "imagenet" / "images").glob("*.jpg"))
    chosen = files[:: max(1, len(files) // count)][:count]
    print(f"SqueezeNet 1.0, top class, {len(chosen)} pictures of imagenet")
    print("| method | deletion | insertion | likeness | flagged | seconds a map |\n|---|---|---|---|---|---|")
    for method in methods:
        rows = []
        for file in chosen:
            try:
                (why,) = ocellus.explain(method, ready, str(file), measure=True)
            except ocellus.OcellusError as error:
                print(f"{method}: {error}")
                break
            (one,) = why.explained.explanations
            unchanged = one.randomisation is not None and one.randomisation.unchanged
            figures = [one.figure(name) for name in ("deletion", "insertion", "likeness")]
            rows.append([*figures, float(unchanged), one.figure("seconds")])
        if rows:
            deletion, insertion, likeness, flagged, seconds = np.nanmean(rows, axis=0)
            print(
                f"| {method} | {deletion:.3f} | {insertion:.3f} | {likeness:.2f} | {flagged:.0%} | "
                f"{seconds:.2f} |",
                flush=True,
            )


def imagenet_classes(names: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the classifier's classes for each class of COCO."""
    found = {
        name: [names.index(one) for one in theirs.split(", ") if one in names]
        for name, theirs in IMAGENET.items()
    }
    return found | {"dog": list(range(len(names)))[DOGS]}


def pointing_table(methods: Sequence[str], data: str) -> None:
    """The pointing game of a classifier: a row for each method, two without one."""
    ready, dataset = squeezenet(), ocellus.read(data)
    numbers = imagenet_classes(ready.names)
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in (*methods, "the middle")}
    shares = []
    for _, record in dataset.records():
        picture, truth = read_picture(record.image), instances(record, dataset)
        assert truth.masks is not None
        with torch.no_grad():
            logits = logits_in(ready.network(ready.subject(picture).images))[0]
        for label in sorted(set(truth.labels.tolist())):
            mine = numbers.get(dataset.labels.names[label], [])
            of_class = truth.labels == label
            boxes, masks = truth.boxes[of_class], truth.masks.dense()[of_class]
            share = float(masks.any(dim=0).float().mean())
            if not mine or not SMALL <= share <= LARGE:
                continue
            best = max(mine, key=lambda one: float(logits[one]))
            shares.append((share, float(covered(picture.size, boxes=boxes).float().mean())))
            heats = {}
            for method in methods:
                (why,) = ocellus.explain(method, ready, picture, target=f"class:{best}")
                heats[method] = why.heatmaps[method]
            for method, heat in (heats | {"the middle": middle(picture.size)}).items():
                found[method].append((
                    pointing_hit(heat.values, masks=masks), pointing_hit(heat.values, boxes=boxes),
                    share_inside(heat.values, boxes=boxes), localised(heat.box(BOX), boxes),
                ))  # fmt: skip
    print(f"SqueezeNet 1.0 on {data}: {len(shares)} classes in pictures")
    print(
        "| method | pointing, mask | pointing, box | share of the map in the box | box |\n"
        "|---|---|---|---|---|"
    )
    for method, rows in found.items():
        print(
            f"| {method} | {' | '.join(f'{one:.2f}' for one in np.nanmean(np.array(rows, float), axis=0))} |"
        )
    by_mask, by_box = np.mean(shares, axis=0)
    print(f"| a random place | {by_mask:.2f} | {by_box:.2f} | {by_box:.2f} | |")


def middle(size: tuple[int, int]) -> Heatmap:
    """A hill in the middle of the picture, whose 15 % line is about the largest ellipse that fits."""
    down, right = (torch.linspace(-1, 1, side) for side in size)
    values = (-1.9 * (down[:, None] ** 2 + right**2)).exp()
    return Heatmap(values=values, method="middle", target="")


def detector_table(methods: Sequence[str], model: str, data: str, count: int) -> None:
    """The pointing game on found objects, method by method."""
    ready = ocellus.load(model, fused=False)
    dataset = ocellus.read(data)
    records = [record for split, record in dataset.records() if split == "val"][:count]
    found: dict[str, list[tuple[bool, bool, float]]] = {method: [] for method in methods}
    start = time.perf_counter()
    for record in records:
        picture, truth = read_picture(record.image), instances(record, dataset)
        seen = ready(picture)
        if not len(seen) or not len(truth):
            continue
        overlaps = box_iou(seen.boxes, truth.boxes)
        pairs = [(i, int(o.argmax())) for i, o in enumerate(overlaps) if float(o.amax()) >= 0.5]
        for index, true in islice(pairs, OBJECTS):
            mask = truth.masks.dense()[true : true + 1] if truth.masks is not None else None
            box = truth.boxes[true : true + 1]
            for method in methods:
                (why,) = ocellus.explain(method, ready, picture, target=f"box:{index}")
                values = why.heatmaps[method].values
                by_box = pointing_hit(values, boxes=box)
                by_mask = by_box if mask is None else pointing_hit(values, masks=mask)
                found[method].append((by_mask, by_box, share_inside(values, boxes=box)))
    print(
        f"{model} on {data}: {len(next(iter(found.values())))} objects, {time.perf_counter() - start:.0f} s"
    )
    print("| method | pointing, mask | pointing, box | share of the map in the box |\n|---|---|---|---|")
    for method, rows in found.items():
        if rows:
            by_mask, by_box, inside = np.nanmean(np.array(rows, float), axis=0)
            print(f"| {method} | {by_mask:.2f} | {by_box:.2f} | {inside:.2f} |")


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--methods", default="", help="with commas; default: all that fit, but occlusion")
    parser.add_argument("--pointing", default="", metavar="DATA", help="photographs with boxes and masks")
    parser.add_argument("--detector", nargs=2, metavar=("MODEL", "DATA"))
    arguments = parser.parse_args()
    fitting = [
        name for name in heat_methods() if name != "occlusion" and not (arguments.detector and name == "cam")
    ]
    methods = arguments.methods.split(",") if arguments.methods else fitting
    if arguments.pointing:
        pointing_table(methods, arguments.pointing)
    elif arguments.detector:
        model, data = arguments.detector
        detector_table(methods, model, data, arguments.pictures)
    else:
        classifier_table(methods, arguments.pictures)


if __name__ == "__main__":
    main()
