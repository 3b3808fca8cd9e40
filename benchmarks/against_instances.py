"""Classes of pixels and connected patches against an instance segmenter: average precision and time.

    ocellus train see/mask_rcnn ../shared/data/nuclei --from benchmarks/nuclei.toml --out runs/nuclei
    ocellus train see/unet ../shared/data/nuclei --from benchmarks/nuclei_unet.toml --out runs/nuclei-unet
    ocellus train see/fcn ../shared/data/nuclei --from benchmarks/nuclei_fcn.toml --out runs/nuclei-fcn
    python -m benchmarks.against_instances ../shared/data/nuclei runs/nuclei-unet runs/nuclei-fcn runs/nuclei

A segmenter's patches of fewer than 16 pixels are left out, and a patch's score is its mean confidence. The
time is of one picture from pixels to objects, median, one picture at a time, each model in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import ocellus
from ocellus.data.images import read_picture
from ocellus.data.instances import instances
from ocellus.jobs.model import Model
from ocellus.metrics.average_precision import AveragePrecision
from ocellus.nn.components import components
from ocellus.values import Instances, Picture, Segmentation

SMALLEST = 16


def main() -> None:
    """Measure each model on the same pictures, in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    dataset = ocellus.read(arguments.data)
    records = dataset.splits[arguments.split]
    models = [ocellus.load(name, precision=arguments.precision) for name in arguments.models]
    measures = [AveragePrecision(dataset.labels.names, kinds=("masks",)) for _ in models]
    times: list[list[float]] = [[] for _ in models]
    for record in records:
        picture = read_picture(record.image)
        truth = instances(record, dataset)
        for model, measure, spent in zip(models, measures, times, strict=True):
            start = time.perf_counter()
            found = objects(model, picture)
            spent.append(time.perf_counter() - start)
            measure.add(found, truth)
    print(f"{len(records)} pictures of {arguments.data}, split {arguments.split}\n")
    print("| model | file | mask AP | AP50 | AP75 | seconds a picture |\n|---|---|---|---|---|---|")
    for name, model, measure, spent in zip(arguments.models, models, measures, times, strict=True):
        figures = measure.result()
        row = " | ".join(f"{figures[f'mask/{key}']:.3f}" for key in ("AP", "AP50", "AP75"))
        print(f"| {model.header.system} | {name} | {row} | {statistics.median(spent):.3f} |")


def objects(model: Model, picture: Picture) -> Instances:
    """What a model finds, as objects of class 0, the data set's only one."""
    found = model(picture)
    if isinstance(found, Segmentation):
        return components(found, classes=(1,), smallest=SMALLEST)
    return replace(found, picture=None)


if __name__ == "__main__":
    main()
