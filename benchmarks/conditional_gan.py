"""Drawings of three classes: are they of their class, and are they as diverse as real ones?

    python -m benchmarks.conditional_gan --out runs/conditional_gan            # the default alone
    python -m benchmarks.conditional_gan --out runs/conditional_gan --table    # P(X), losses, seeds, too

Trains through `ocellus train`, in the folder `--out`; the same command goes on where it was stopped. Two
classifiers judge 1,000 samples of each class: DoodleNet with its published weights, 345 classes; and one that
is trained here on the same drawings, which no setting was chosen by. Diversity is the mean distance of two
pictures over that of two real ones. Prints a table and writes page.html with a sheet of each network.
"""

from __future__ import annotations

import argparse
import html
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ocellus
from ocellus import catalog, weights
from ocellus.data.class_examples import ClassExamples, collate_classes
from ocellus.data.images import write_picture
from ocellus.draw.sheet import draw_sheet
from ocellus.foreign import read_foreign
from ocellus.jobs.train import train
from ocellus.metrics.classifier_score import classifier_score
from ocellus.metrics.diversity import diversity_per_class
from ocellus.training.judge import Judge
from ocellus.values import Picture

SYSTEM = "imagine/conditional_gan"
SHARED = Path(os.environ.get("OCELLUS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
BAR = 0.9
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "P(X)": {"condition": "none"},
    "min-max": {"loss": "minmax"},
    "non-saturating": {"loss": "nonsaturating"},
    "non-saturating, R1": {"loss": "nonsaturating", "spectral": False, "r1": 1.0},
    "no augmentation": {"augment": 0.0},
    "embedding": {"condition": "embedding"},
    "concat": {"condition": "concat"},
    "seed 1": {"seed": 1},
    "seed 2": {"seed": 2},
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Real:
    """The drawings, and who judges."""

    images: Tensor  # (N, 1, 28, 28)
    labels: Tensor  # (N,)
    names: tuple[str, ...]
    judges: dict[str, Judge]


def doodlenet(folder: Path) -> Judge:
    """DoodleNet with its published weights and names, as a file of ours."""
    path = folder / "doodlenet.safetensors"
    if not path.is_file():
        found = SHARED / "data" / "weights"
        names = (found / "doodlenet_classes.txt").read_text(encoding="utf-8").split("\n")
        module = catalog.system("see/classifier")
        config, state, labels = module.import_state(
            read_foreign(found / "doodlenet.pt"), names=[name for name in names if name]
        )
        network = module.build(config)
        weights.load_state(network, state, source="doodlenet.pt")
        weights.save(path, network, weights.describe("see/classifier", config, labels=labels.names))
    return Judge.load(path)


def trained(system: str, data: Path, out: Path, *, preset: str, **values: Any) -> Path:
    """The best weights of a run, which is begun, or gone on with."""
    return train(system, data, out=out, preset=preset, resume=(out / "last.ckpt").is_file(), **values).weights


def unseen(data: Path, judges: dict[str, Judge]) -> Real:
    """The drawings of the split "val", on which neither the generators nor the second judge were trained."""
    dataset = ocellus.read(data, view="labels")
    records = dataset.splits["val"]
    examples = ClassExamples(records, dataset, train=None, channels=1, short_side=28, crop=28)
    batch = collate_classes([examples[0, index] for index in range(len(examples))])
    return Real(images=batch.images, labels=batch.labels, names=dataset.labels.names, judges=judges)


def scores(judge: Judge, images: Tensor, labels: Tensor, names: Sequence[str]) -> dict[str, float]:
    """A judge's top 1 by class, of (N, 1, H, W) pictures that are meant to be (N,) classes."""
    truth = judge.labels_of(names)[labels]
    found = classifier_score(judge.scores(images), truth, names=judge.names)
    return {one.name: one.top1 for one in found.classes}


def samples(path: Path, real: Real, count: int, *, truncation: float = 0.0) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) pictures of a network, `count` of each class, and their labels."""
    model = ocellus.load(path)
    options = catalog.system(SYSTEM).Run(count=count, seed=1, truncation=truncation)
    made = [torch.stack([one.floats() for one in model(name, options=options)]) for name in real.names]
    return torch.cat(made), torch.arange(len(real.names)).repeat_interleave(count)


def row(name: str, images: Tensor, labels: Tensor, real: Real) -> str:
    """A network's line of the table; of P(X) which classes DoodleNet sees in its pictures."""
    cells = [name]
    if VARIANTS.get(name.split(", truncation")[0], {}).get("condition") == "none":
        judge = real.judges["DoodleNet"]
        half = labels == 0  # the same noise is used for each name, and the name counts for nothing
        seen = judge.scores(images[half]).argmax(dim=1)
        shares = [(seen == number).float().mean().item() for number in judge.labels_of(real.names)]
        cells.append(", ".join(f"{one} {share:.0%}" for one, share in zip(real.names, shares, strict=True)))
        cells += ["", *[""] * (len(real.judges) - 1)]
        (spread,) = diversity_per_class(
            images[half], labels[half], real=real.images, real_labels=0 * real.labels, names=("all",)
        )
        return f"| {' | '.join([*cells, f'{spread.ratio:.2f}', f'{spread.copies:.1%}'])} |"
    for title, judge in real.judges.items():
        mine = scores(judge, images, labels, real.names)
        theirs = scores(judge, real.images, real.labels, real.names)
        cells.append(", ".join(f"{one} {mine[one]:.3f} of {theirs[one]:.3f}" for one in real.names))
        if title == "DoodleNet":
            least = min(mine[one] / theirs[one] for one in real.names)
            cells.append(f"{least:.2f} ({'met' if least >= BAR else 'not met'})")
    found = diversity_per_class(images, labels, real=real.images, real_labels=real.labels, names=real.names)
    cells.append(", ".join(f"{one.name} {one.ratio:.2f}" for one in found))
    cells.append(f"{max(one.copies for one in found):.1%}")
    return f"| {' | '.join(cells)} |"


def sheet(images: Tensor, labels: Tensor, path: Path) -> None:
    """Twelve pictures of each class, ink dark on white."""
    kept = [images[labels == label][:12] for label in sorted(set(labels.tolist()))]
    pixels = [((1 - one.expand(3, -1, -1)) * 255).round().byte().contiguous() for one in torch.cat(kept)]
    write_picture(draw_sheet([Picture(pixels=one) for one in pixels], columns=12, cell_width=56, gap=4), path)


def page(folder: Path, lines: Sequence[str], sheets: dict[str, str]) -> None:
    """page.html: the table, and each network's sheet."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    table = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in cells)
    shown = "".join(
        f"<h2>{html.escape(name)}</h2><img src='{html.escape(file)}' alt='{html.escape(name)}'>"
        for name, file in sheets.items()
    )
    style = "body{font:15px sans-serif;margin:2em;max-width:70em}td{border:1px solid #ccc;padding:.3em}"
    (folder / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>P(X) and P(X | class)</title><style>{style}</style>"
        f"<h1>P(X) and P(X | class)</h1><p>Drawings: Quick, Draw! by Google, CC BY 4.0.</p>"
        f"<table>{table}</table>{shown}",
        encoding="utf-8",
    )


def main() -> None:
    """Train what is not trained yet, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "quickdraw")
    parser.add_argument("--out", type=Path, default=Path("runs/conditional_gan"))
    parser.add_argument("--table", action="store_true", help="train and measure all variants")
    parser.add_argument("--only", default="", help="variants by name, with semicolons")
    parser.add_argument("--steps", type=int, default=0, help="0: as the preset says")
    parser.add_argument(
        "--truncation", type=float, nargs="*", default=[1.25], help="noise that is kept within, besides all"
    )
    parser.add_argument("--samples", type=int, default=1000, help="of each class")
    parser.add_argument("--judge-steps", type=int, default=0, help="0: as the preset says")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    steps = {"steps": arguments.steps} if arguments.steps else {}
    given = {"steps": arguments.judge_steps} if arguments.judge_steps else {}
    judges = {"DoodleNet": doodlenet(arguments.out)}
    path = trained(
        "see/classifier", arguments.data, arguments.out / "judge", preset="thumbnails", channels=1, **given
    )
    judges["second judge"] = Judge.load(path)
    real = unseen(arguments.data, judges)
    chosen = (
        arguments.only.split(";") if arguments.only else list(VARIANTS) if arguments.table else ["default"]
    )
    head = ["network", "DoodleNet's top 1", "least share of real", *list(judges)[1:], "diversity", "copies"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    sheets = {"real": "real.png"}
    sheet(real.images, real.labels, arguments.out / "real.png")
    for name in chosen:
        begin = time.perf_counter()
        folder = arguments.out / "".join(one if one.isalnum() else "-" for one in name.lower())
        best = trained(SYSTEM, arguments.data, folder, preset="small", **{**steps, **VARIANTS[name]})
        minutes = (time.perf_counter() - begin) / 60
        print(f"{name}: {minutes:.1f} min of training now, {arguments.samples} samples a class", flush=True)
        for truncation in (0.0, *arguments.truncation):
            title = f"{name}, truncation {truncation:g}" if truncation else name
            images, labels = samples(best, real, arguments.samples, truncation=truncation)
            lines.append(row(title, images, labels, real))
            sheets[title] = f"{folder.name}{f'-{truncation:g}' if truncation else ''}.png"
            sheet(images, labels, arguments.out / sheets[title])
            print(lines[-1], flush=True)
        page(arguments.out, lines, sheets)
    print("\n".join(lines))
    print(f"{arguments.out / 'page.html'} shows them")


if __name__ == "__main__":
    main()
