"""What the cycle loss of CycleGAN brings, on the halves of facades as two heaps, at 128 px.

    python -m benchmarks.cyclegan_cycle ../shared/data/facades
    python -m benchmarks.cyclegan_cycle ../shared/data/facades --only with --steps 6000

Trained are: with (the published losses), without (no cycle and no identity loss: the domains are matched as
heaps alone). The preset "small"; no picture of one domain has its partner in the other. What was trained is
not trained again; what was broken off goes on. In the folder: a run for each, table.txt, and a sheet of each
way: picture, what is made of it, what is made of that.

Figures, of pictures that no training saw, by the moving average of the last step: cycle is the mean absolute
difference there and back, in [0, 1]; diversity the mean distance of what is made of different pictures over
that of the target domain's pictures, once of pixels and once of SqueezeNet's features (mean of fire9): 1 is
right, a collapsed generator makes the same of everything; swd the distance of its patches from the target
domain's.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.pix2pix_losses import squeezenet
from ocellus import weights
from ocellus.data.images import write_picture
from ocellus.data.picture_batches import collate_domains
from ocellus.data.picture_examples import DomainExamples
from ocellus.data.read import read
from ocellus.imagine import cyclegan
from ocellus.jobs.train import train
from ocellus.metrics.diversity import diversity
from ocellus.metrics.sliced_wasserstein import sliced_wasserstein
from ocellus.nn.translation import picture_of
from ocellus.training.loss_network import LossNetwork
from ocellus.training.sheets import sheet_of

KINDS: dict[str, dict[str, Any]] = {"with": {}, "without": {"cycle": 0.0, "identity": 0.0}}


def trained(data: Path, folder: Path, *, values: dict[str, Any]) -> Path:
    """The weights of a run that is done; it is begun or gone on with where it is not."""
    done = folder / "done"
    if not done.is_file():
        resume = (folder / "last.ckpt").is_file()
        train("imagine/cyclegan", data, out=folder, resume=resume, precision="bf16", **values)
        done.touch()
    return folder / "best.safetensors"


def domains(data: Path, side: int) -> tuple[list[Tensor], list[Tensor], tuple[str, ...]]:
    """Pictures (1, 3, H, W) of either domain's split "val", and the domains' names."""
    dataset = read(data, view="domains")
    examples = DomainExamples(dataset.splits["val"], dataset, train=None, load=side, crop=side)
    batches = [collate_domains([examples[0, index]]) for index in range(len(examples))]
    first, second = (len(held) for held in examples.domains)
    return (
        [batch.a for batch in batches[:first]],
        [batch.b for batch in batches[:second]],
        dataset.labels.names,
    )


@torch.no_grad()
def measured(
    path: Path, a: list[Tensor], b: list[Tensor], *, names: tuple[str, ...], judge: LossNetwork
) -> tuple[list[str], dict[str, Tensor]]:
    """Lines of figures, and sheets."""
    network, _ = weights.load(path)
    lines, sheets = [], {}
    ways = (
        (network.forth, network.back, a, b, f"{names[0]} to {names[1]}"),
        (network.back, network.forth, b, a, f"{names[1]} to {names[0]}"),
    )
    for forth, back, images, targets, title in ways:
        made = torch.cat([forth(image) for image in images])
        again = torch.cat([back(picture[None]) for picture in made])
        given, true = torch.cat(images), torch.cat(targets)
        pixels = diversity(made, true)
        features = diversity(judge.embed(made), judge.embed(true))
        lines.append(
            f"{title}: cycle {float((again - given).abs().mean()):.4f}  "
            f"diversity {pixels.ratio:.3f} of pixels, {features.ratio:.3f} of features  "
            f"copies {features.copies:.2f}  swd {sliced_wasserstein(true, made).mean:.1f}  "
            f"({len(made)} made, {len(true)} true)"
        )
        triples = [list(parts) for parts in zip(given, made, again, strict=True)][:8]
        sheets[title] = sheet_of([one + two for one, two in zip(triples[::2], triples[1::2], strict=False)])
    return lines, sheets


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=sorted(KINDS), default=None)
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--width", type=int, default=16, help="of the generators")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/cyclegan-cycle"))
    parser.add_argument("--judge", type=Path, default=Path("../shared/data/weights/squeezenet1_0.pt"))
    options = parser.parse_args()
    judge = squeezenet(options.judge)
    a, b, names = domains(options.data, cyclegan.PRESETS["small"][0].short_side)
    values = {"steps": options.steps, "validate_every": options.steps, "width": options.width}
    values |= {"seed": options.seed}
    table = []
    for kind in [options.only] if options.only else list(KINDS):
        path = trained(options.data, options.out / kind, values={**values, **KINDS[kind]})
        lines, sheets = measured(path, a, b, names=names, judge=judge)
        table += [f"{kind} the cycle loss, {options.steps} steps, {line}" for line in lines]
        for title, sheet in sheets.items():
            name = f"{kind}-{title.replace(' ', '-')}.png"
            write_picture(picture_of(sheet), options.out / name)
    (options.out / "table.txt").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
