"""Fast style beside the slow optimisation, and beside an adversary: loss, time, steadiness.

    python -m benchmarks.fast_style runs/style --style ../shared/data/styles/wave.jpg \
        --loss-network squeezenet1_0.safetensors --pictures ../shared/data/sr/Set14 --out fast_style.json

For each picture, its middle of 256 pixels: the total loss of what the network paints; how many evaluations
and seconds L-BFGS takes, from the photograph, until its loss is as low; one pass of the network, timed in
turn with evaluations of the loss, so that a busy machine slows both. Speed is the slow one's time to the same
loss over the network's. A second run (`--other runs/gan`) is measured beside the first: the Gram and content
losses, the distance of its patches from the style's without any network, and steadiness under noise.
Results are kept by picture: a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import compare
from ocellus.data.images import to_picture, write_picture
from ocellus.data.sources import pictures
from ocellus.data.views import middle
from ocellus.imagine.fast_style.config import Train
from ocellus.imagine.fast_style.inference import as_bytes, optimise, read_goal, read_style, sum_of
from ocellus.imagine.fast_style.loss import (
    Goal,
    content_loss,
    losses,
    style_loss,
    style_patches,
    total_variation,
)
from ocellus.jobs.model import load
from ocellus.metrics.sliced_wasserstein import sliced_wasserstein


def costs(images: Tensor, photograph: Tensor, goal: Goal, train: Train) -> dict[str, float]:
    """The losses of a painted picture, (1, 3, H, W) in [0, 1], by terms, and in all."""
    with torch.no_grad():
        truth = goal.network.features(photograph, layers=tuple(goal.content))
        found = goal.network.features(images)
        row = {
            "content": float(content_loss(found, truth, goal.content, scale=train.loss_scale)),
            "style": float(style_loss(found, goal.grams, goal.style, scale=train.loss_scale)),
            "variation": train.variation * float(total_variation(images)),
        }
    return {"total": sum(row.values()), **row}


def pass_and_evaluation(
    network: Any, photograph: Tensor, goal: Goal, train: Train, *, reduced: bool
) -> dict[str, float]:
    """Seconds of one pass and of one evaluation of the loss with its gradient, in turn."""
    with torch.no_grad():
        truth = goal.network.features(photograph, layers=tuple(goal.content))
    pixels = photograph.clone().requires_grad_()

    def paint() -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            network(photograph)

    def evaluate() -> None:
        pixels.grad = None
        sum_of(losses(pixels, truth, goal, train)).backward()

    ratio = compare(paint, evaluate, turns=7, warm_up=2)
    return {
        "pass": ratio.ours,
        "evaluation": ratio.peer,
        "ratio": ratio.median,
        "low": ratio.lowest,
        "high": ratio.highest,
    }


def row_of(
    picture: Any, models: dict[str, Any], goal: Goal, train: Train, arguments: argparse.Namespace
) -> dict[str, Any]:
    """All figures of one picture; see `painted_by`."""
    side = arguments.side
    square = middle(picture.pixels, short_side=side, crop=side)
    photograph = square[None].float() / 255
    row = painted_by(models, picture, photograph, goal, train, arguments)
    first = next(iter(models.values()))
    row["photograph"] = costs(photograph, photograph, goal, train)
    row["time"] = pass_and_evaluation(
        first.network, photograph, goal, train, reduced=first.precision == "bf16"
    )
    slow = optimise(
        to_picture(square), style=train.style, loss_network=train.loss_network, train=train,
        steps=arguments.steps, start=arguments.start,
    )  # fmt: skip
    if arguments.shown:
        write_picture(slow.picture, Path(arguments.shown) / f"{Path(picture.path).stem}-optimised.png")
    wanted = row["network"]["total"]
    reached = next((index for index, total in enumerate(slow.totals[:-1]) if total <= wanted), None)
    row["slow"] = {
        "evaluations": len(slow.totals) - 1,
        "seconds": slow.seconds[-2],
        "total": slow.totals[-1],
        "reached": None if reached is None else reached + 1,
        "reached_seconds": None if reached is None else slow.seconds[reached],
    }
    return row


def painted_by(
    models: dict[str, Any],
    picture: Any,
    photograph: Tensor,
    goal: Goal,
    train: Train,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Figures of what each network makes of a picture."""
    row: dict[str, Any] = {}
    for name, model in models.items():
        with torch.no_grad(), model.autocast():
            painted = model.network(photograph).pictures.float()
            noisy = (photograph + 0.01 * torch.randn(photograph.shape)).clamp(0, 1)
            changed = (model.network(noisy).pictures.float() - painted).abs().mean()
        row[name] = costs(painted, photograph, goal, train)
        row[name]["stability"] = float(changed / (noisy - photograph).abs().mean())
        cut = style_patches(painted[0], 32, side=64)
        real = style_patches(read_style(train.style, side=train.style_side), 32, side=64)
        row[name]["patches"] = sliced_wasserstein(real, cut, patches=32, directions=128).mean
        if arguments.shown:
            write_picture(
                to_picture(as_bytes(painted[0])),
                Path(arguments.shown) / f"{Path(picture.path).stem}-{name}.png",
            )
    return row


def told(rows: dict[str, dict[str, Any]], names: list[str]) -> None:
    """Prints the medians over pictures."""

    def median(*path: str) -> float:
        values = []
        for row in rows.values():
            value: Any = row
            for word in path:
                value = value[word]
            values.append(float("inf") if value is None else float(value))
        return statistics.median(values)

    print(f"medians over {len(rows)} pictures")
    for name in [*names, "photograph"]:
        terms = ", ".join(f"{key} {median(name, key):.3f}" for key in next(iter(rows.values()))[name])
        print(f"{name}: {terms}")
    print(f"slow: total {median('slow', 'total'):.3f} after {median('slow', 'evaluations'):.0f} evaluations")
    one, evaluation = median("time", "pass"), median("time", "evaluation")
    print(f"one pass {1e3 * one:.1f} ms, one evaluation {1e3 * evaluation:.1f} ms")
    reached = median("slow", "reached")
    print(f"the network's loss is reached after {reached:.0f} evaluations")
    ratios = [
        (row["slow"]["reached"] or row["slow"]["evaluations"]) * row["time"]["ratio"] for row in rows.values()
    ]
    print(f"speed at equal loss: {statistics.median(ratios):.0f} x ({min(ratios):.0f} to {max(ratios):.0f})")
    whole = [row["slow"]["evaluations"] * row["time"]["ratio"] for row in rows.values()]
    print(f"against the whole optimisation: {statistics.median(whole):.0f} x")


def main() -> None:
    """Measure, going on where a run before stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a run's folder, or weights of imagine/fast_style")
    parser.add_argument("--other", default="", help="a second run, of the same style with an adversary")
    parser.add_argument("--style", required=True)
    parser.add_argument("--style-side", type=int, default=256)
    parser.add_argument("--loss-network", required=True)
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=300, help="of the slow optimisation")
    parser.add_argument("--start", default="photograph", choices=("photograph", "noise"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shown", default="", help="a folder for what was painted")
    parser.add_argument("--out", default="fast_style.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train = replace(
        Train(), style=arguments.style, style_side=arguments.style_side, loss_network=arguments.loss_network
    )
    goal = read_goal(train)
    models = {"network": load(arguments.model, precision=arguments.precision)}
    if arguments.other:
        models["adversary"] = load(arguments.other, precision=arguments.precision)
    out = Path(arguments.out)
    rows: dict[str, dict[str, Any]] = json.loads(out.read_text()) if out.is_file() else {}
    for number, picture in enumerate(pictures(arguments.pictures)):
        if number >= arguments.limit:
            break
        key = f"{Path(picture.path or str(number)).name}"
        torch.manual_seed(0)
        if key in rows:  # a second network may be new
            new = {name: model for name, model in models.items() if name not in rows[key]}
            photograph = (
                middle(picture.pixels, short_side=arguments.side, crop=arguments.side)[None].float() / 255
            )
            rows[key] |= painted_by(new, picture, photograph, goal, train, arguments)
            out.write_text(json.dumps(rows, indent=1))
        else:
            rows[key] = row_of(picture, models, goal, train, arguments)
            out.write_text(json.dumps(rows, indent=1))
            print(f"{key}: {rows[key]['network']['total']:.3f}, slow {rows[key]['slow']}", flush=True)
    told(rows, list(models))


if __name__ == "__main__":
    main()
