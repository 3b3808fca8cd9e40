"""One's own classes from nine photographs: four times nine to train on, three held out.

    python -m benchmarks.fruits ../shared/data/fruits --start ocellus/zoo/mask_rcnn-scenes.safetensors

Prints mask AP50 and AP of the held-out photographs of each fold at the end of its training (not the best of
several validations, which nine photographs could not choose honestly), and their means.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import ocellus
from ocellus.data.dataset import Dataset
from ocellus.jobs import settings as run_settings
from ocellus.jobs.model import find
from ocellus.jobs.train import train_settings
from ocellus.weights import read_header

FOLDS = 4


def fold(dataset: Dataset, number: int) -> Dataset:
    """The data set with every fourth picture held out, beginning with `number`."""
    records = sorted((record for _, record in dataset.records()), key=lambda record: record.name)
    held = tuple(records[number::FOLDS])
    kept = tuple(record for record in records if record not in held)
    return replace(dataset, splits={"train": kept, "val": held}, split_rule=f"fold {number} of {FOLDS}")


def main() -> None:
    """Train and measure each fold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--start", default="see/mask_rcnn", help="weights to begin with")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=FOLDS, help="only the first so many")
    parser.add_argument("--out", default="runs/fruits")
    arguments = parser.parse_args()
    dataset = ocellus.read(arguments.data)
    start = find(arguments.start)
    network = read_header(start).settings()
    found = []
    begin = time.perf_counter()
    for number in range(arguments.folds):
        settings = replace(
            run_settings.defaults("see/mask_rcnn", arguments.data), config=network, start=str(start)
        ).with_values(
            short_side=320, long_side=448, regions_per_picture=128, flip_vertical=0.5, turn=0.5,
            scale_low=0.6, scale_high=1.6, color=0.4, copy_paste=0.3, steps=arguments.steps, batch_size=4,
            learning_rate=1e-3, weight_decay=0.05, warmup_steps=20, ema=0.99,
            validate_every=arguments.steps, seed=arguments.seed,
        )  # fmt: skip
        folder = Path(arguments.out) / f"fold{number}-seed{arguments.seed}"
        trained = train_settings(settings, folder, data=fold(dataset, number))
        found.append((trained.metrics["mask/AP50"], trained.metrics["mask/AP"]))
        print(f"fold {number}: mask AP50 {found[-1][0]:.3f}, AP {found[-1][1]:.3f}", flush=True)
    means = [statistics.mean(values) for values in zip(*found, strict=True)]
    minutes = (time.perf_counter() - begin) / 60
    print(f"mean of {len(found)} folds: mask AP50 {means[0]:.3f}, AP {means[1]:.3f}; {minutes:.1f} min")


if __name__ == "__main__":
    main()
