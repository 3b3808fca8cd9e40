"""How far each method can be trusted, in one table: `python -m benchmarks.explanations [--pictures N]`.

Of a classifier (SqueezeNet 1.0 with its authors' weights, ../shared/data/imagenet, the top class):
the mean area under the deletion and the insertion curve (probability, mean over two baselines), and the check
with thrown weights: how alike the map stays, and for how many pictures it is flagged.

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
from torchvision.ops import box_iou

import ocellus
from ocellus import catalog, weights
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.foreign import read_foreign
from ocellus.jobs.explainable import Explainable, explainable
from ocellus.jobs.explaining import heat_methods
from ocellus.metrics.pointing import pointing_hit, share_inside

SHARED = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
OBJECTS = 3
"""Found objects of a picture that are explained."""


def squeezenet() -> Explainable:
    """SqueezeNet 1.0 with its authors' weights."""
    system = catalog.system("see/classifier")
    path = SHARED / "data" / "weights" / "squeezenet1_0.pt"
    config, state, labels = system.import_state(read_foreign(path))
    network = system.build(config)
    weights.load_state(network, state, source=str(path))
    return explainable(network.eval(), names=labels.names)


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
    parser.add_argument("--detector", nargs=2, metavar=("MODEL", "DATA"))
    arguments = parser.parse_args()
    fitting = [
        name for name in heat_methods() if name != "occlusion" and not (arguments.detector and name == "cam")
    ]
    methods = arguments.methods.split(",") if arguments.methods else fitting
    if arguments.detector:
        detector_table(methods, *arguments.detector, arguments.pictures)
    else:
        classifier_table(methods, arguments.pictures)


if __name__ == "__main__":
    main()
