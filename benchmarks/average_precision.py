"""Average precision of boxes and masks over synthetic pictures: ours against pycocotools, time and memory.

    python -m benchmarks.average_precision --pictures 5000 --classes 80 --turns 3

Time: both get the same pictures in turn, ready in their own form (ours Instances, pycocotools dictionaries
with compressed run lengths); making either form is not timed. Ours is every `add` and the `result`;
pycocotools' is the index, the results, and evaluate, accumulate and summarize for boxes and for masks.
Memory: each in a process of its own, pictures made one by one as a network would; the highest resident memory
less what is resident after the imports. pycocotools has to collect all pictures first: that is its interface.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.timing import compare
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.values import Instances, Masks, runs

HEIGHT, WIDTH = 480, 640
# A picture has up to twice as many, evenly; COCO's val2017 has 7.3 truths a picture in 80 classes.
TRUTHS, STRAYS = 7, 15
Pair = tuple[Instances, Instances]


def ellipse(box: NDArray[np.float32]) -> NDArray[np.int32]:
    """Run lengths of the ellipse in a box x1, y1, x2, y2."""
    x1, y1, x2, y2 = box.tolist()
    left, top, right, bottom = (
        max(round(x1), 0),
        max(round(y1), 0),
        min(round(x2), WIDTH),
        min(round(y2), HEIGHT),
    )
    columns, rows = np.arange(left, right) + 0.5, np.arange(top, bottom)[:, None] + 0.5
    inside = ((2 * columns - x1 - x2) / (x2 - x1)) ** 2 + ((2 * rows - y1 - y2) / (y2 - y1)) ** 2 < 1
    return runs.encode(inside, size=(HEIGHT, WIDTH), top=top, left=left)


def instances(boxes: NDArray[np.float32], labels: NDArray[np.int64], **parts: torch.Tensor) -> Instances:
    shapes = Masks.from_runs([ellipse(box) for box in boxes], (HEIGHT, WIDTH))
    return Instances(
        size=(HEIGHT, WIDTH),
        boxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(labels),
        masks=shapes,
        areas=shapes.areas().float(),
        **parts,
    )


def make(count: int, *, classes: int) -> Iterator[Pair]:
    """Predictions and truths: each truth found about once, more or less well, and false detections beside."""
    random = np.random.default_rng(0)

    def boxes(number: int) -> NDArray[np.float32]:
        side = np.exp(random.uniform(np.log(12), np.log(300), (number, 2)))
        corner = random.uniform(0, 1, (number, 2)) * (np.array([WIDTH, HEIGHT]) - side)
        return np.concatenate((corner, corner + side), 1).astype(np.float32)

    for _ in range(count):
        outline, labels = boxes(random.integers(0, 2 * TRUTHS + 1)), random.integers(0, classes, 2 * TRUTHS)
        labels = labels[: len(outline)]
        crowd = random.random(len(outline)) < 0.02
        again = np.flatnonzero(random.random(len(outline)) < 0.9)
        again = np.concatenate((again, again[random.random(len(again)) < 0.3]))
        side = np.tile(outline[again, 2:] - outline[again, :2], 2)
        moved = outline[again] + random.normal(0, 0.05, (len(again), 4)) * side
        stray = boxes(random.integers(0, 2 * STRAYS + 1))
        found = np.concatenate((moved, stray)).astype(np.float32).clip(0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
        guessed = np.concatenate((labels[again], random.integers(0, classes, len(stray))))
        scores = np.concatenate((random.beta(4, 2, len(again)), random.beta(2, 4, len(stray))))
        yield (
            instances(found, guessed, scores=torch.from_numpy(scores.round(3).astype(np.float32))),
            instances(outline, labels, crowd=torch.from_numpy(crowd)),
        )


def dictionaries(pairs: Iterable[Pair], *, classes: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The truths as a COCO file holds them, and the results."""
    images, truths, results = [], [], []
    for image, pair in enumerate(pairs):
        images.append({"id": image, "height": HEIGHT, "width": WIDTH})
        for found, side in zip((results, truths), pair, strict=True):
            corners = side.boxes.double().numpy()
            boxes = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1).tolist()
            for index, box in enumerate(boxes):
                counts = side.masks.run_lengths(index).tolist()  # type: ignore[union-attr]
                mask = mask_tools.frPyObjects({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)
                entry = {"image_id": image, "category_id": int(side.labels[index]) + 1, "bbox": box}
                entry["segmentation"] = mask
                if side.scores is not None:
                    found.append(entry | {"score": float(side.scores[index])})
                else:
                    area, crowd = float(side.areas[index]), int(side.crowd[index])  # type: ignore[index]
                    found.append(entry | {"id": len(found) + 1, "area": area, "iscrowd": crowd})
    categories = [{"id": label + 1, "name": str(label)} for label in range(classes)]
    return {"info": {}, "images": images, "categories": categories, "annotations": truths}, results


def peer(truths: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    """pycocotools' twelve numbers of boxes and of masks, under our names."""
    found = {}
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = truths | {"annotations": [dict(entry) for entry in truths["annotations"]]}
        index.createIndex()
        for prefix, kind, other in (("box", "bbox", "segmentation"), ("mask", "segm", "bbox")):
            only = [{name: value for name, value in entry.items() if name != other} for entry in results]
            evaluation = COCOeval(index, index.loadRes(only), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            names = ("AP", "AP50", "AP75", "AP/small", "AP/medium", "AP/large", "AR/1", "AR/10", "AR/100")
            names += ("AR/small", "AR/medium", "AR/large")
            found |= {f"{prefix}/{name}": float(v) for name, v in zip(names, evaluation.stats, strict=True)}
    return found


def ours(pairs: Iterable[Pair], *, classes: int) -> dict[str, float]:
    evaluation = AveragePrecision([str(label) for label in range(classes)], kinds=("boxes", "masks"))
    for prediction, truth in pairs:
        evaluation.add(prediction, truth)
    return evaluation.result()


def resident() -> float:
    """MiB in use now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def memory(side: str, count: int, classes: int) -> float:
    """MiB that one side needs beyond the imports, measured in this process."""
    base = resident()
    pairs = make(count, classes=classes)
    if side == "ours":
        ours(pairs, classes=classes)
    else:
        peer(*dictionaries(pairs, classes=classes))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - base


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--memory", choices=("ours", "peer"), help="measure the memory of one side only")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        print(memory(asked.memory, asked.pictures, asked.classes))
        return
    count, classes = asked.pictures, asked.classes
    print(f"{count} pictures of {WIDTH} x {HEIGHT}, {classes} classes, boxes and masks")
    used = {}
    for side in ("peer", "ours"):
        command = [sys.executable, "-m", "benchmarks.average_precision", "--memory", side]
        command += ["--pictures", str(count), "--classes", str(classes)]
        used[side] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"peak memory over base: {used['ours'] / used['peer']:.3f} of pycocotools' ", end="")
    print(f"  ours {used['ours']:.0f} MiB   pycocotools {used['peer']:.0f} MiB")
    pairs = list(make(count, classes=classes))
    truths, results = dictionaries(pairs, classes=classes)
    print(f"{len(truths['annotations'])} truths, {len(results)} detections")
    found: dict[str, dict[str, float]] = {}
    ratio = compare(
        lambda: found.update(ours=ours(pairs, classes=classes)),
        lambda: found.update(peer=peer(truths, results)),
        turns=asked.turns,
        warm_up=0,
    )
    print(f"time: {ratio}")
    apart = max(abs(value - found["ours"][name]) for name, value in found["peer"].items())
    print(f"largest difference of the 24 numbers: {apart:.1e}; mask/AP {found['ours']['mask/AP']:.4f}")


if __name__ == "__main__":
    main()
