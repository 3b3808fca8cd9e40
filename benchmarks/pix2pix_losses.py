"""What each loss of pix2pix brings on facades at 128 px: L1 alone, the GAN alone, both (section 4.2).

    python -m benchmarks.pix2pix_losses ../shared/data/facades --seeds 0
    python -m benchmarks.pix2pix_losses ../shared/data/facades --seeds 0 1 2 --out runs/pix2pix-losses

Label maps to photographs. For each loss and seed the preset "small" is trained on the split "train", and the
weights of the last step (moving average) answer to the split "val". What was trained is not trained again;
what was broken off goes on. In the folder: a run for each, table.txt, and comparison.png: condition, truth,
and the answers of the first seed.

Figures: l1 is the mean absolute difference to the truth, in [0, 1]; sharpness the mean gradient over that of
the truth; KID on features of SqueezeNet 1.0 (Caffe's weights, mean of fire9, divided by the true ones' root
mean square), times 1000, against the true pictures of "train", with its 95 % interval and, as the floor, that
of the true pictures of "val"; diversity the mean distance between answers to different conditions over that
between the true ones (fire9 again); noise the mean absolute difference between two answers to one condition
with other dropout.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocellus import weights
from ocellus.data.images import write_picture
from ocellus.data.picture_examples import PairExamples
from ocellus.data.read import read
from ocellus.foreign import read_foreign
from ocellus.imagine import pix2pix
from ocellus.imagine.pix2pix.config import Run
from ocellus.jobs.train import train
from ocellus.metrics.diversity import diversity
from ocellus.metrics.feature_distance import Kid, kid
from ocellus.metrics.sharpness import sharpness
from ocellus.nn.translation import picture_of
from ocellus.see import classifier
from ocellus.training.loss_network import LossNetwork
from ocellus.training.sheets import sheet_of
from ocellus.values import Picture

LOSSES = ("l1", "gan", "both")


def squeezenet(path: Path) -> LossNetwork:
    """The features that sets of pictures are compared by."""
    config, state, _ = classifier.import_state(read_foreign(path))
    network = classifier.build(config)
    weights.load_state(network, state, source=str(path))
    return LossNetwork(network, source="SqueezeNet 1.0")


def trained(data: Path, folder: Path, *, loss: str, seed: int, values: dict[str, Any]) -> Path:
    """The weights of a run that is done; it is begun or gone on with where it is not."""
    done = folder / "done"
    if not done.is_file():
        settings = {"direction": "backward", "loss": loss, "seed": seed, "precision": "bf16", **values}
        resume = (folder / "last.ckpt").is_file()
        train("imagine/pix2pix", data, out=folder, resume=resume, **settings)
        done.touch()
    return folder / "best.safetensors"


def pairs(data: Path, split: str, side: int) -> tuple[list[Tensor], Tensor]:
    """Conditions (3, H, W) and truths (N, 3, H, W) of a split, at the network's size."""
    dataset = read(data, view="pairs")
    examples = PairExamples(dataset.splits[split], dataset, train=None, swapped=True, load=side, crop=side)
    items = [examples[0, index] for index in range(len(examples))]
    return [item.input.float() / 255 for item in items], torch.stack(
        [item.target for item in items]
    ).float() / 255


@torch.no_grad()
def answered(path: Path, conditions: list[Tensor], *, seed: int) -> Tensor:
    """(N, 3, H, W) answers with noise, as published."""
    network, _ = weights.load(path)
    pictures: list[Picture] = [picture_of(condition) for condition in conditions]
    return torch.stack(
        [pix2pix.generate(network, picture, options=Run(seed=seed)).floats() for picture in pictures]
    )


def distance(real: Tensor, others: Tensor, judge: LossNetwork) -> Kid:
    """KID of (N, 3, H, W) and (M, 3, H, W), on features scaled to a mean square of 1 of the real ones."""
    features = judge.embed(real)
    scale = features.square().mean().sqrt()
    return kid(features / scale, judge.embed(others) / scale, subsets=0)


def row(answers: Tensor, others: Tensor, truth: Tensor, real: Tensor, judge: LossNetwork) -> dict[str, str]:
    """The figures of one run."""
    found = distance(real, answers, judge)
    sharp, varied = sharpness(answers, truth), diversity(judge.embed(answers), judge.embed(truth))
    return {
        "l1": f"{float((answers - truth).abs().mean()):.4f}",
        "sharpness": f"{sharp.ratio:.3f}",
        "KID x 1000": f"{1000 * found.value:.1f} ({1000 * found.low:.1f} to {1000 * found.high:.1f})",
        "diversity": f"{varied.ratio:.3f}",
        "noise": f"{float((answers - others).abs().mean()):.4f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int, default=22, help="of both networks")
    parser.add_argument("--out", type=Path, default=Path("runs/pix2pix-losses"))
    parser.add_argument("--judge", type=Path, default=Path("../shared/data/weights/squeezenet1_0.pt"))
    options = parser.parse_args()
    values = {"steps": options.steps, "validate_every": options.steps, "width": options.width}
    values |= {"discriminator_width": options.width}
    judge, side = squeezenet(options.judge), pix2pix.PRESETS["small"][0].short_side
    (conditions, truth), (_, real) = pairs(options.data, "val", side), pairs(options.data, "train", side)
    floor = distance(real, truth, judge)
    lines = [
        f"{options.data.name}, {side} px, {options.steps} steps of 4; {len(truth)} answers against "
        f"{len(real)} true pictures; KID x 1000 of {len(truth)} true pictures: {1000 * floor.value:.1f} "
        f"({1000 * floor.low:.1f} to {1000 * floor.high:.1f})"
    ]
    shown: list[Tensor] = []
    for seed in options.seeds:
        for loss in LOSSES:
            path = trained(options.data, options.out / f"{loss}-{seed}", loss=loss, seed=seed, values=values)
            answers, others = (answered(path, conditions, seed=noise) for noise in (0, 1))
            figures = row(answers, others, truth, real, judge)
            lines.append(f"{loss:5s} seed {seed}  " + "  ".join(f"{k} {v}" for k, v in figures.items()))
            print(lines[-1], flush=True)
            if seed == options.seeds[0]:
                shown.append(answers)
    (options.out / "table.txt").write_text("\n".join(lines) + "\n")
    rows = [
        [conditions[index], truth[index], *(answers[index] for answers in shown)]
        for index in range(min(8, len(truth)))
    ]
    write_picture(picture_of(sheet_of(rows)), options.out / "comparison.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
