"""One network, four losses: squared error, absolute error, features, an adversary; one page side by side.

    python -m benchmarks.sr_photographs ../shared/data runs/sr-photographs
    python -m benchmarks.sr_losses runs/sr-photographs ../shared/data/sr \\
        ../shared/data/weights/squeezenet1_0.pt --start runs/srgan-x4 --steps 4000

The network of the preset "small". All four begin with the same weights where --start gives some (from scratch
otherwise) and are trained for the same steps on the same examples. Features are those of SqueezeNet 1.0.

Measured are, on Set5 and Set14 together: PSNR and SSIM of the luminance less a border of 4 pixels; the
distance on the features that the training looked at (SqueezeNet); the distance on those of a network that
no training has seen (--judge, ResNet-20 for CIFAR-10); and sharpness, gradients as a share of the true
ones. Runs that are there already go on, or are measured as they are. The page is OUT/losses.html.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.sr_sets import SETS, as_a_file, pairs
from ocellus import weights
from ocellus.cli.import_weights import main as import_weights
from ocellus.data.bicubic import resize_bicubic
from ocellus.imagine.srgan.inference import enlarge
from ocellus.jobs import settings as run_settings
from ocellus.jobs.train import train_settings
from ocellus.metrics.image_quality import psnr, ssim
from ocellus.metrics.perceptual import PerceptualDistance
from ocellus.report.side_by_side import Column, Figure, Row, write_side_by_side
from ocellus.training.loss_network import LossNetwork
from ocellus.values import Picture

LAYERS = ("relu1", "fire3", "fire5")
FEATURES = {"perceptual": 0.1, "perceptual_scale": "relative", "perceptual_layers": LAYERS}
TRAININGS: dict[str, dict[str, Any]] = {
    "squared error": {"pixel": "mse"},
    "absolute error": {"pixel": "l1"},
    "features": {"pixel": "l1", "pixel_weight": 0.01, **FEATURES},
    "adversary": {"pixel": "l1", "pixel_weight": 0.1, **FEATURES, "adversarial": 0.005},
}
FIGURES = (
    Figure(name="psnr", title="PSNR", gloss="dB, luminance less a border of 4", better="high"),
    Figure(name="ssim", title="SSIM", gloss="luminance less a border of 4", better="high", digits=4),
    Figure(name="eye", title="Distance on SqueezeNet", gloss="which the training looked at",
           better="low", digits=4),
    Figure(name="judge", title="Distance on ResNet-20", gloss="which no training has seen", better="low",
           digits=4),
    Figure(name="sharpness", title="Gradients", gloss="as a share of the true ones; 1 is as sharp", digits=3),
)  # fmt: skip


def imported(file: Path, out: Path) -> Path:
    """A public classifier as a weights file of ours."""
    path = out / f"{file.stem}.safetensors"
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        import_weights(["see/classifier", str(file), "--out", str(path)])
    return path


def trained(name: str, arguments: argparse.Namespace, eye: Path) -> Path:
    """The weights of one training, which is begun, gone on with, or found done."""
    folder = arguments.out / name.replace(" ", "-")
    begin = run_settings.defaults("imagine/srgan", str(arguments.photographs), preset=arguments.preset)
    network = weights.read_header(arguments.start).settings() if arguments.start else begin.config
    values = {"pixel": "l1", "monitor": "psnr", **TRAININGS[name]}
    values |= {"loss_network": str(eye)} if "perceptual" in values else {}
    # The last weights count, not the best by a figure that some of the four do not learn.
    values |= {"steps": arguments.steps, "validate_every": arguments.steps, "precision": arguments.precision}
    values |= {"learning_rate": 2e-4 if arguments.start else 1e-3, "ema": 0.995}
    settings = replace(begin, config=network, start=str(arguments.start or "")).with_values(**values)
    train_settings(settings, folder, resume=(folder / "last.ckpt").is_file(), pictures=0)
    return folder / "best.safetensors"


def measured(
    made: list[Tensor], truths: list[Tensor], distances: dict[str, PerceptualDistance]
) -> dict[str, float]:
    """The mean figures over pictures."""
    rows = []
    for image, truth in zip(made, truths, strict=True):
        row = {"psnr": psnr(image, truth, crop=4, luma=True), "ssim": ssim(image, truth, crop=4, luma=True)}
        with torch.no_grad():
            row |= {name: float(call(image[None], truth[None]).distance) for name, call in distances.items()}
        row["sharpness"] = gradients(image) / gradients(truth)
        rows.append(row)
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def gradients(image: Tensor) -> float:
    """The mean difference of neighbouring pixels of a (3, H, W) picture."""
    grey = image.mean(0)
    return float(grey.diff(dim=0).abs().mean() + grey.diff(dim=1).abs().mean())


def part(image: Tensor, side: int = 160) -> Picture:
    """The middle of a picture, for the page."""
    height, width = (min(side, length) for length in image.shape[1:])
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    pixels = (image[:, top : top + height, left : left + width] * 255).round().byte()
    return Picture(pixels=pixels.contiguous())


def main() -> None:
    """Train what is not there yet, measure all, write the page and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="to train on")
    parser.add_argument("sets", type=Path, help="the folder with Set5 and Set14")
    parser.add_argument("eye", type=Path, help="SqueezeNet's weights, a public checkpoint")
    parser.add_argument("--judge", type=Path, help="ResNet-20's; beside SqueezeNet's where not given")
    parser.add_argument("--start", type=Path, help="a run's folder or weights that all begin with")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--only", nargs="+", default=list(TRAININGS), choices=list(TRAININGS))
    parser.add_argument(
        "--limit", type=int, default=0, help="measure on so many pictures of each set; 0: all"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/sr-losses"))
    arguments = parser.parse_args()
    if arguments.start and arguments.start.is_dir():
        arguments.start = arguments.start / "best.safetensors"
    eye = imported(arguments.eye, arguments.out)
    judge = imported(arguments.judge or arguments.eye.with_name("resnet20_cifar10.pt"), arguments.out)
    files = {name: trained(name, arguments, eye) for name in arguments.only}
    if int(os.environ.get("RANK", "0")):
        return
    networks = {name: weights.load(file)[0] for name, file in files.items()}
    distances = {
        "eye": PerceptualDistance(LossNetwork.load(eye, LAYERS).features, network="SqueezeNet 1.0"),
        "judge": PerceptualDistance(LossNetwork.load(judge).features, network="ResNet-20 for CIFAR-10"),
    }
    factor = next(iter(networks.values())).config.factor
    found = [
        pair for name in SETS for pair in pairs(arguments.sets / name, factor)[: arguments.limit or None]
    ]
    truths = [truth for _, truth in found]
    made = {"bicubic": [as_a_file(resize_bicubic(small, factor)) for small, _ in found]}
    for name, network in networks.items():
        made[name] = [as_a_file(enlarge(network, small[None])[0]) for small, _ in found]  # type: ignore[arg-type]
    columns = [
        Column(name=name, figures=measured(images, truths, distances)) for name, images in made.items()
    ]
    shown = {**made, "the truth": truths}
    rows = [
        Row(
            name=f"picture {number + 1}",
            pictures=tuple((name, part(held[number])) for name, held in shown.items()),
        )
        for number in range(len(found))
    ]
    page = write_side_by_side(
        arguments.out / "losses.html", title="One network, four losses",
        lead=f"The same network, trained {arguments.steps} steps each, on {len(found)} unseen pictures.",
        figures=FIGURES, columns=columns, rows=rows,
    )  # fmt: skip
    print(f"{'':<16}" + "".join(f"{figure.title:>24}" for figure in FIGURES))
    for column in columns:
        print(f"{column.name:<16}" + "".join(f"{column.figures[figure.name]:>24.4f}" for figure in FIGURES))
    print(page)


if __name__ == "__main__":
    main()
