"""Is it RoIAlign or the mask branch? Five trainings at equal budget, and a figure of what RoIPool rounds.

    python -m benchmarks.roi_question ../shared/data/nuclei --steps 300 --out runs/roi-question
    python -m benchmarks.roi_question --figure docs/pictures/roi-rounding.svg

He 2017 (arXiv:1703.06870), tables 2b, 2c and 3: RoIAlign against RoIPool, each with and without the mask
branch, and masks that are independent (a sigmoid for each class) against masks that compete (a softmax).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import roi_pool

from ocellus.jobs import settings as run_settings
from ocellus.jobs.train import train_settings
from ocellus.nn.roi import roi_align

VARIANTS: dict[str, dict[str, Any]] = {
    "RoIPool, boxes alone": {"pooling": "pool", "mask_branch": False},
    "RoIAlign, boxes alone": {"pooling": "align", "mask_branch": False},
    "RoIPool, masks (sigmoid)": {"pooling": "pool"},
    "RoIAlign, masks (sigmoid)": {"pooling": "align"},
    "RoIAlign, masks (softmax)": {"pooling": "align", "mask_softmax": True},
}


def main() -> None:
    """Train and measure each variant, or draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", default="")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/roi-question")
    parser.add_argument("--figure", default="", help="only draw the figure, into this file")
    arguments = parser.parse_args()
    if arguments.figure:
        draw_rounding(Path(arguments.figure))
        return
    begin = run_settings.read(Path(__file__).with_name("nuclei.toml"))
    rows = []
    for name, values in VARIANTS.items():
        settings = begin.with_values(
            **values, steps=arguments.steps, validate_every=arguments.steps, seed=arguments.seed, ema=0.99
        )
        folder = Path(arguments.out) / f"{name.replace(', ', '-').replace(' ', '-')}-seed{arguments.seed}"
        trained = train_settings(settings, folder, data=arguments.data)
        rows.append((name, trained.metrics))
        print(f"{name}: {row(trained.metrics)}", flush=True)
    print("\n| | box AP | box AP50 | box AP75 | mask AP | mask AP50 | mask AP75 |\n" + "|---" * 7 + "|")
    for name, metrics in rows:
        print(f"| {name} | {row(metrics)} |")


def row(metrics: dict[str, float]) -> str:
    """The six figures of a row; a dash where there is no mask branch."""
    names = [f"{kind}/{figure}" for kind in ("box", "mask") for figure in ("AP", "AP50", "AP75")]
    return " | ".join(f"{metrics[name]:.3f}" if name in metrics else "–" for name in names)


def draw_rounding(path: Path) -> None:
    """What both poolings answer for a box that is moved by less than a cell: one jumps, the other follows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    columns = torch.arange(12.0)
    features = columns.expand(1, 1, 12, 12).contiguous()  # each cell holds its own column number
    shifts = torch.linspace(0, 2, 81)
    corner = 16.0 * torch.tensor([2.3, 2.3, 8.9, 8.9])  # stride 16; 6.6 cells wide
    boxes = torch.stack([torch.cat([torch.zeros(1), corner + 16 * shift]) for shift in shifts])
    pooled = roi_pool(features, boxes, output_size=2, spatial_scale=1 / 16)[:, 0, 0, 0]
    aligned = roi_align(features, boxes, output_size=2, spatial_scale=1 / 16, sampling_ratio=2, aligned=True)[
        :, 0, 0, 0
    ]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2))
    left.set_xlim(1, 11)
    left.set_ylim(11, 1)
    left.set_xticks(range(1, 12))
    left.set_yticks(range(1, 12))
    left.grid(color="0.85")
    left.set_aspect("equal")
    low, high = (corner[:2] / 16).tolist(), (corner[2:] / 16).tolist()
    left.add_patch(Rectangle((low[0], low[1]), 6.6, 6.6, fill=False, color="#2266dd", lw=2.5))
    rounded = [round(low[0]), round(high[0]) + 1]
    side = rounded[1] - rounded[0]
    left.add_patch(
        Rectangle((rounded[0], rounded[0]), side, side, fill=False, color="#dd4422", lw=2.5, ls="--")
    )
    for row_index in range(4):
        for column in range(4):
            x, y = low[0] + (column + 0.5) * 6.6 / 4, low[1] + (row_index + 0.5) * 6.6 / 4
            left.plot(x, y, "o", color="#2266dd", ms=4)
    left.axvline(low[0] + 3.3, 0.28, 0.85, color="#2266dd", lw=0.8)
    left.set_title(
        "a box on the feature grid: as it is (blue, with its\nsampling points) and as RoIPool rounds it (red)"
    )
    right.plot(shifts, pooled, color="#dd4422", label="RoIPool: jumps by whole cells", lw=2)
    right.plot(shifts, aligned, color="#2266dd", label="RoIAlign: follows", lw=2)
    right.set_xlabel("box moved by (cells of the feature grid)")
    right.set_ylabel("the first bin's answer (a column's number)")
    right.legend()
    right.set_title("features that are their own column's number")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
