"""Sparse-view CT, the task of Han & Ye (arXiv:1708.08333): streaks of few projections taken away by U-Nets.

    python -m benchmarks.sparse_view_ct                                # phantoms alone
    python -m benchmarks.sparse_view_ct --lungs ../shared/data/lungs   # and X-rays, as if they were slices

Every picture is projected by scikit-image's `radon` in 4 x --views directions. Filtered back-projection of
all of them is the target, of every fourth the input. The U-Nets (the standard one with the same average
pooling as the others, so that the frame alone differs; dual-frame; tight-frame) are trained alike: depth,
width, steps, pictures, seed. A run that was interrupted goes on where it stopped. Prints PSNR (of 0 to 1) and
SSIM on pictures that were not trained on, as mean +- standard deviation of the seeds where there are several,
and draws the Shepp-Logan phantom, which is of none of the training's kind.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import iradon, radon, resize
from torch import Tensor, nn

from ocellus import weights
from ocellus.data.images import read_picture
from ocellus.data.read import read
from ocellus.see.unet.config import Config
from ocellus.see.unet.inference import restore
from ocellus.see.unet.model import build
from ocellus.see.unet.recipe import Pairs, Restoration
from ocellus.training.fit import fit
from ocellus.training.settings import Fit

Pictures = NDArray[np.float32]
MORE = 4  # full views for each sparse one
VARIANTS = {
    "standard": {"variant": "standard", "framelet_pooling": True},
    "dual-frame": {"variant": "dual_frame"},
    "tight-frame": {"variant": "tight_frame"},
    "published": {"variant": "standard"},  # largest values, learned up-convolutions
}

# Shepp & Logan 1974 with Toft's contrasts: value, half axes, centre (of a square from -1 to 1), degrees.
SHEPP_LOGAN = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0), (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0), (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0), (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0), (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0), (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Slices:
    """Reconstructions of the same objects."""

    sparse: Pictures  # (N, H, W)
    full: Pictures  # (N, H, W)


def ellipses(entries: tuple[tuple[float, ...], ...], side: int) -> Pictures:
    """(side, side) sum of ellipses, each pixel the mean of 16 points."""
    axis = (np.arange(4 * side) + 0.5) / (2 * side) - 1
    x, y = np.meshgrid(axis, -axis)
    fine = np.zeros((4 * side, 4 * side))
    for value, a, b, left, up, degrees in entries:
        angle = np.deg2rad(degrees)
        along = (x - left) * np.cos(angle) + (y - up) * np.sin(angle)
        across = (y - up) * np.cos(angle) - (x - left) * np.sin(angle)
        fine[(along / a) ** 2 + (across / b) ** 2 <= 1] += value
    return fine.reshape(side, 4, side, 4).mean(axis=(1, 3)).astype(np.float32)


def phantom(number: int, side: int) -> Pictures:
    """A body with a rim and organs, large and tiny, of random place and contrast."""
    dice = np.random.default_rng((7, number))
    a, b = dice.uniform(0.55, 0.9, 2)
    turn = dice.uniform(0, 180)
    rim = dice.uniform(0.9, 0.97)
    entries = [(0.8, a, b, 0.0, 0.0, turn), (-dice.uniform(0.3, 0.6), rim * a, rim * b, 0.0, 0.0, turn)]
    for _ in range(int(dice.integers(6, 25))):
        size = 0.3 * dice.random() ** 2 + 0.015
        radius, angle = 0.75 * min(a, b) * np.sqrt(dice.random()), dice.uniform(0, 2 * np.pi)
        shape = size * dice.uniform(0.4, 1.0, 2)
        entries.append(
            (
                dice.uniform(-0.25, 0.35),
                *shape,
                radius * np.cos(angle),
                radius * np.sin(angle),
                dice.uniform(0, 180),
            )
        )
    return ellipses(tuple(entries), side).clip(0, 1)


def x_rays(folder: str, split: str, side: int) -> list[Pictures]:
    """Chest X-rays inside the circle that is scanned."""
    pictures = []
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    inside = np.hypot(*np.meshgrid(axis, axis)) < 0.95
    for record in read(folder).splits[split]:
        grey = read_picture(record.image).pixels.float().mean(dim=0).numpy() / 255
        short = min(grey.shape)
        top, left = (grey.shape[0] - short) // 2, (grey.shape[1] - short) // 2
        square = resize(grey[top : top + short, left : left + short], (side, side), anti_aliasing=True)
        pictures.append((square * inside).astype(np.float32))
    return pictures


def scanned(pictures: list[Pictures], views: int) -> Slices:
    """Reconstructions from all projections, and from every fourth."""
    angles = np.arange(MORE * views) * 180 / (MORE * views)
    sparse, full = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pixels outside the circle, which are 0 but for rounding
        for picture in pictures:
            lines = radon(picture, angles, circle=True)
            full.append(iradon(lines, angles, circle=True))
            sparse.append(iradon(lines[:, ::MORE], angles[::MORE], circle=True))
    return Slices(np.array(sparse, np.float32), np.array(full, np.float32))


def prepare(arguments: argparse.Namespace) -> dict[str, Slices]:
    """The slices to train on ("train"), to choose by ("val") and to measure on, from the cache if there."""
    side, count = arguments.side, arguments.pictures
    kind = "lungs" if arguments.lungs else "phantoms"
    path = arguments.out / f"{kind}-{side}px-{arguments.views}views-{count}.npz"
    if not path.is_file():
        begin = time.perf_counter()
        few = max(count // 10, 2)
        parts = {
            "train": [phantom(number, side) for number in range(count)],
            "val": [phantom(10**6 + number, side) for number in range(few)],
            "ellipses": [phantom(2 * 10**6 + number, side) for number in range(2 * few)],
            "Shepp-Logan": [ellipses(SHEPP_LOGAN, side)],
        }
        if arguments.lungs:
            parts["train"] += x_rays(arguments.lungs, "train", side)
            parts["X-rays"] = x_rays(arguments.lungs, "val", side)
        arrays = {}
        for name, pictures in parts.items():
            slices = scanned(pictures, arguments.views)
            arrays |= {f"{name}/sparse": slices.sparse, f"{name}/full": slices.full}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".writing").open("wb") as file:
            np.savez(file, **arrays)
        path.with_suffix(".writing").replace(path)
        print(f"projected {sum(map(len, parts.values()))} pictures in {time.perf_counter() - begin:.0f} s")
    with np.load(path) as stored:
        names = {name.split("/")[0]: None for name in stored.files}
        return {name: Slices(stored[f"{name}/sparse"], stored[f"{name}/full"]) for name in names}


class Drawn:
    """Training slices, mirrored and turned by quarters, which maps the directions of view onto themselves."""

    def __init__(self, slices: Slices, seed: int) -> None:
        self.slices = slices
        self.seed = seed

    def __len__(self) -> int:
        return len(self.slices.full)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, index = key
        turns, mirrored = np.random.default_rng((self.seed, epoch, index)).integers(0, (4, 2))
        pair = np.rot90(np.stack([self.slices.sparse[index], self.slices.full[index]]), int(turns), (1, 2))
        both = torch.from_numpy(np.ascontiguousarray(pair[..., ::-1] if mirrored else pair))
        return both[:1], both[1:]


def collate(items: list[tuple[Tensor, Tensor]]) -> Pairs:
    """Drawn slices as a batch."""
    images, targets = zip(*items, strict=True)
    return Pairs(torch.stack(images), torch.stack(targets), ())


def restored(network: nn.Module, slices: Slices) -> Pictures:
    """(N, H, W) what a network makes of the sparse reconstructions."""
    images = torch.from_numpy(slices.sparse)[:, None]
    return np.concatenate([restore(network, part)[:, 0].numpy() for part in images.split(8)])  # type: ignore[arg-type]


def figures(found: Pictures, slices: Slices) -> tuple[float, float]:
    """Mean PSNR in decibels and mean SSIM."""
    pairs = list(zip(slices.full, found, strict=True))
    ratios = [peak_signal_noise_ratio(truth, guess, data_range=1.0) for truth, guess in pairs]
    likeness = [structural_similarity(truth, guess, data_range=1.0) for truth, guess in pairs]
    return float(np.mean(ratios)), float(np.mean(likeness))


def train(
    name: str, seed: int, data: dict[str, Slices], arguments: argparse.Namespace
) -> tuple[nn.Module, float]:
    """A trained network, and the minutes that this call took."""
    config = replace(
        Config(
            classes=1, channels=1, depth=arguments.depth, width=arguments.width, valid=False, norm="batch",
            dropout=0.0, residual=True, mean=(0.25,), std=(0.25,),
        ),
        **VARIANTS[name],
    )  # fmt: skip
    steps = arguments.steps
    settings = Fit(
        steps=steps, batch_size=arguments.batch_size, learning_rate=arguments.learning_rate,
        weight_decay=1e-4, warmup_steps=min(100, steps // 10), clip=1.0, precision=arguments.precision,
        device=arguments.device,
        seed=seed, validate_every=max(steps // 5, 1),
    )  # fmt: skip

    def validate(network: nn.Module) -> dict[str, float]:
        device = next(network.parameters()).device
        ratio, likeness = figures(restored(network.cpu(), data["val"]), data["val"])
        network.to(device)
        return {"PSNR": ratio, "SSIM": likeness}

    def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
        header = weights.describe("see/unet", config, data="random ellipses, sparse-view CT", metrics=metrics)
        weights.save(path, network, header)

    begin = time.perf_counter()
    recipe = Restoration(config, settings)
    kind = "lungs" if arguments.lungs else "phantoms"
    size = (
        f"{arguments.side}px-{arguments.views}views-{arguments.pictures}-width{arguments.width}-{steps}steps"
    )
    folder = arguments.out / f"{kind}-{size}-{name}-seed{seed}"
    result = fit(
        recipe, examples=Drawn(data["train"], seed), collate=collate, validate=validate,
        monitor=recipe.monitor, folder=folder, settings=settings, save=save, resume=True,
    )  # fmt: skip
    network, _ = weights.load(result.best)
    return network, (time.perf_counter() - begin) / 60


def draw(panels: dict[str, Pictures], path: Path) -> None:
    """The reconstructions above, the first being the truth; how far they are off below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    truth = next(iter(panels.values()))
    figure, axes = pyplot.subplots(2, len(panels), figsize=(2.1 * len(panels), 4.7), squeeze=False)
    for column, (name, picture) in zip(axes.T, panels.items(), strict=True):
        column[0].imshow(picture, cmap="gray", vmin=0, vmax=0.6)
        title = name
        if picture is not truth:
            title += f"\n{peak_signal_noise_ratio(truth, picture, data_range=1.0):.1f} dB"
        column[0].set_title(title, fontsize=9)
        column[1].imshow(picture - truth, cmap="RdBu", vmin=-0.1, vmax=0.1)
        for axis in column:
            axis.set_axis_off()
    axes[1, 0].set_title("off by (±0.1)", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def spread(values: list[float], digits: int) -> str:
    """Mean, and standard deviation where there are several."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--views", type=int, default=48, help="projections of the sparse scan, an even number"
    )
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--pictures", type=int, default=300, help="phantoms to train on")
    parser.add_argument("--lungs", default="", help="a folder of chest X-rays, trained and measured on too")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS)[:3], choices=VARIANTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--precision", default="32", choices=("32", "bf16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("runs/sparse_view_ct"))
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/sparse-view-ct.png"))
    return parser.parse_args()


def main() -> None:
    """Project, train, measure, draw."""
    arguments = options()
    data = prepare(arguments)
    tests = [name for name in data if name not in ("train", "val")]
    head = "".join(f" {name} PSNR | SSIM |" for name in tests)
    rows = [f"| network | parameters |{head} min |", "|---|--:|" + "--:|" * (2 * len(tests) + 1)]

    def row(name: str, found: list[list[tuple[float, float]]], parameters: str, minutes: str) -> str:
        cells = []
        for values in zip(*found, strict=True):
            ratios, likeness = ([value[index] for value in values] for index in (0, 1))
            cells.append(f" {spread(ratios, 2)} | {spread(likeness, 4)} |")
        return f"| {name} | {parameters} |{''.join(cells)} {minutes} |"

    rows.append(row("back-projection", [[figures(data[name].sparse, data[name]) for name in tests]], "", ""))
    shepp = data["Shepp-Logan"]
    panels = {f"{MORE * arguments.views} views": shepp.full[0], f"{arguments.views} views": shepp.sparse[0]}
    for name in arguments.variants:
        found, minutes = [], []
        for seed in arguments.seeds:
            network, took = train(name, seed, data, arguments)
            answers = {test: restored(network, data[test]) for test in tests}
            found.append([figures(answers[test], data[test]) for test in tests])
            minutes.append(took)
            panels.setdefault(name, answers["Shepp-Logan"][0])
        count = sum(parameter.numel() for parameter in build(network.config).parameters())  # type: ignore[arg-type]
        rows.append(row(name, found, f"{count:,}", spread(minutes, 1)))
    print("\n".join(rows))
    draw(panels, arguments.picture)
    print(f"drawn to {arguments.picture}")


if __name__ == "__main__":
    main()
