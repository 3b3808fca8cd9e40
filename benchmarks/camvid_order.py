"""FCN-32s, 16s, 8s, PSPNet and U-Net on road scenes at an equal small budget: mean and spread of three seeds.

    python -m benchmarks.camvid_order ../shared/data/camvid --out runs/camvid-order

All have the same encoder (`ocellus.nn.light`) and are trained from scratch with the same loss, pictures,
batches, steps and schedule, and the figure is that of the last step's averaged weights at the pictures' own
size, not the best of several validations. A run that was stopped goes on when the command is given again, and
one that is finished is not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import ocellus
from ocellus.jobs import settings as run_settings
from ocellus.jobs.train import train_settings

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "FCN-32s": ("see/fcn", {"stride": 32}),
    "FCN-16s": ("see/fcn", {"stride": 16}),
    "FCN-8s": ("see/fcn", {"stride": 8}),
    "PSPNet": ("see/pspnet", {}),
    "U-Net": ("see/unet", {"encoder": "small", "width": 16}),
}
SHARED: dict[str, Any] = {
    "short_side": 240, "loss": "cross_entropy+dice", "flip": 0.5, "scale_low": 0.75, "scale_high": 1.5,
    "crop": 224, "color": 0.4, "batch_size": 8, "optimizer": "adamw", "learning_rate": 3e-3,
    "weight_decay": 0.02, "schedule": "cosine", "warmup_steps": 30, "clip": 5.0, "ema": 0.99,
}  # fmt: skip


def main() -> None:
    """Train what is not trained yet, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="of the variants")
    parser.add_argument("--out", default="runs/camvid-order")
    arguments = parser.parse_args()
    dataset = ocellus.read(arguments.data, view="classes")
    figures: dict[str, list[float]] = {name: [] for name in arguments.only}
    for seed in range(arguments.seeds):  # seed by seed, so that a part of the table is a whole comparison
        for name in arguments.only:
            system, values = VARIANTS[name]
            settings = run_settings.defaults(system, arguments.data).with_values(
                **SHARED, **values, steps=arguments.steps, validate_every=arguments.steps, seed=seed
            )
            folder = Path(arguments.out) / f"{name}-seed{seed}"
            found = last_figure(folder, arguments.steps)
            if found is None:
                train_settings(settings, folder, data=dataset, resume=folder.exists(), pictures=0)
                found = last_figure(folder, arguments.steps)
            assert found is not None
            figures[name].append(found)
            print(f"seed {seed}: {name} mIoU {found:.4f}", flush=True)
    print(f"\n| | val mIoU, {arguments.steps} steps, {arguments.seeds} seeds | each |\n|---|---|---|")
    for name, values in figures.items():
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        each = ", ".join(f"{value:.3f}" for value in values)
        print(f"| {name} | {statistics.mean(values):.3f} ± {spread:.3f} | {each} |")


def last_figure(folder: Path, steps: int) -> float | None:
    """The mean IoU after the last step of a run; None: it is not at its end."""
    log = folder / "metrics.jsonl"
    if not log.is_file():
        return None
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    ends = [row["mIoU"] for row in rows if row.get("split") == "val" and row["step"] == steps]
    return ends[-1] if ends else None


if __name__ == "__main__":
    main()
