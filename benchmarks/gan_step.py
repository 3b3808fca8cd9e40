"""A training step of two networks against each other: ours against a plain PyTorch loop, in turn.

    python -m benchmarks.gan_step --system pix2pix
    python -m benchmarks.gan_step --system cyclegan --precision bf16
    python -m benchmarks.gan_step --system pix2pix --tiny       # whether the file runs

pix2pix as published at 256 pixels and CycleGAN as published at 128, a batch of one. Both sides train the very
same networks on the same pictures in memory. Ours is `training.fit`: figures logged, gradients measured and
seen to be finite, seeds for each step. The plain loop is what the papers' authors wrote: zero_grad, backward,
step, nothing else. The time of a step is from its beginning to the beginning of the next one; loading,
building and checkpoints are outside. --against precision compares ours in bf16 with ours in float32.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus import catalog
from ocellus.data.picture_batches import DomainItem, PairItem
from ocellus.data.picture_examples import DomainBatch, PairBatch, collate_domains, collate_pairs
from ocellus.labels import LabelMap
from ocellus.training.fit import fit

SIDES = {"pix2pix": 256, "cyclegan": 128}
PICTURES = 16
SKIPPED = 2
"""Steps of each turn that do not count: memory is mapped, kernels are made."""


class Held:
    """Pictures in memory, drawn by (epoch, index)."""

    def __init__(self, system: str, side: int) -> None:
        dice = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (2, PICTURES, 3, side, side), generator=dice, dtype=torch.uint8)
        self.kind: Any = PairItem if system == "pix2pix" else DomainItem
        self.collate: Any = collate_pairs if system == "pix2pix" else collate_domains

    def __len__(self) -> int:
        return PICTURES

    def __getitem__(self, key: tuple[int, int]) -> Any:
        return self.kind(self.images[0, key[1]], self.images[1, key[1]], str(key[1]))


def our_steps(system: str, held: Held, *, steps: int, precision: str, tiny: bool) -> list[float]:
    """Seconds of each step of our fit loop."""
    module = catalog.system(f"imagine/{system}")
    config = module.TINY if tiny else module.PAPER
    settings = replace(
        module.FIT,
        steps=steps + 1,
        epochs=1.0,
        precision=precision,
        workers=0,
        validate_every=0,
        device="cpu",
    )
    recipe = module.Recipe(config, module.Train(), settings, LabelMap(()), None)
    marks: list[float] = []
    written_out = recipe.training_step

    def marked(*batch: Any) -> Any:
        marks.append(time.perf_counter())
        return written_out(*batch, 0) if len(batch) == 1 else written_out(*batch)

    recipe.training_step = marked
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        fit(
            recipe, examples=held, collate=held.collate, validate=None, monitor="none",
            folder=Path(folder) / "run", settings=settings, save=lambda *_: None,
        )  # fmt: skip
    return [after - before for before, after in pairwise(marks)][SKIPPED:]


def plain_steps(system: str, held: Held, *, steps: int, precision: str, tiny: bool) -> list[float]:
    """Seconds of each step of a plain loop with the same networks."""
    module = catalog.system(f"imagine/{system}")
    config = module.TINY if tiny else module.PAPER
    torch.manual_seed(0)
    network, judge = module.build(config).train(), module.build_discriminator(config).train()
    optimizers = [
        torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999)) for part in (network, judge)
    ]
    step: Callable[..., None] = plain_pix2pix if system == "pix2pix" else PlainCycleGAN()
    marks = []
    for number in range(steps + 1):
        marks.append(time.perf_counter())
        batch = held.collate([held[0, number % PICTURES]])
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            step(network, judge, optimizers, batch)
    return [after - before for before, after in pairwise(marks)][SKIPPED:]


def plain_pix2pix(network: Any, judge: Any, optimizers: list[Any], batch: PairBatch) -> None:
    """Isola 2017: the discriminator, then the generator, on one pair."""
    made = network(batch.inputs).pictures
    optimizers[1].zero_grad()
    fake = judge(torch.cat([batch.inputs, made.detach()], 1))
    real = judge(torch.cat([batch.inputs, batch.targets], 1))
    (0.5 * (softly(fake, 0.0) + softly(real, 1.0))).backward()
    optimizers[1].step()
    judge.requires_grad_(False)
    optimizers[0].zero_grad()
    fooled = softly(judge(torch.cat([batch.inputs, made], 1)), 1.0)
    (fooled + 200 * F.l1_loss(made.float(), batch.targets)).backward()
    optimizers[0].step()
    judge.requires_grad_(True)


class PlainCycleGAN:
    """Zhu 2017: both generators, then both discriminators, with a pool of 50 made pictures each."""

    def __init__(self) -> None:
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])

    def __call__(self, network: Any, judge: Any, optimizers: list[Any], batch: DomainBatch) -> None:
        forth, back = network.forth, network.back
        made_b, made_a = forth(batch.a), back(batch.b)
        judge.requires_grad_(False)
        optimizers[0].zero_grad()
        fooled = squarely(judge.a(made_a), 1.0) + squarely(judge.b(made_b), 1.0)
        again = F.l1_loss(back(made_b).float(), batch.a) + F.l1_loss(forth(made_a).float(), batch.b)
        same = F.l1_loss(forth(batch.b).float(), batch.b) + F.l1_loss(back(batch.a).float(), batch.a)
        (fooled + 20 * again + 10 * same).backward()
        optimizers[0].step()
        judge.requires_grad_(True)
        optimizers[1].zero_grad()
        for one, true, made, pool in ((judge.a, batch.a, made_a, 0), (judge.b, batch.b, made_b, 1)):
            shown = self.pooled(made.detach(), self.pools[pool])
            (0.5 * (squarely(one(true), 1.0) + squarely(one(shown), 0.0))).backward()
        optimizers[1].step()

    @staticmethod
    def pooled(made: Tensor, pool: list[Tensor]) -> Tensor:
        if len(pool) < 50:
            pool.append(made)
            return made
        if random.random() < 0.5:
            return made
        place = random.randrange(50)
        old, pool[place] = pool[place], made
        return old


def softly(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target).float())


def squarely(logits: Tensor, target: float) -> Tensor:
    return F.mse_loss(logits.float(), torch.full_like(logits, target).float())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--system", choices=tuple(SIDES), default="pix2pix")
    parser.add_argument("--against", choices=("plain", "precision"), default="plain")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--steps", type=int, default=8, help="of each turn, the first two not counted")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    side = 32 if arguments.tiny else SIDES[arguments.system]
    held = Held(arguments.system, side)
    options = {"steps": arguments.steps, "tiny": arguments.tiny}
    rows = []
    for _ in range(arguments.turns):
        if arguments.against == "plain":
            ours = our_steps(arguments.system, held, precision=arguments.precision, **options)
            other = plain_steps(arguments.system, held, precision=arguments.precision, **options)
        else:
            ours = our_steps(arguments.system, held, precision="bf16", **options)
            other = our_steps(arguments.system, held, precision="32", **options)
        rows.append((statistics.median(ours), statistics.median(other)))
    ratios = sorted(a / b for a, b in rows)
    ours, other = (statistics.median(row[place] for row in rows) for place in (0, 1))
    threads = torch.get_num_threads()
    print(f"{arguments.system}, {side} pixels, batch of 1, {threads} threads, {arguments.turns} turns")
    if arguments.against == "plain":
        print(f"ours {1e3 * ours:.1f} ms, plain {1e3 * other:.1f} ms a step, precision {arguments.precision}")
        low, middle, high = (
            100 * (ratio - 1) for ratio in (ratios[0], statistics.median(ratios), ratios[-1])
        )
        print(f"overhead {middle:.1f} % ({low:.1f} to {high:.1f})")
    else:
        print(f"ours in bf16 {1e3 * ours:.1f} ms, in float32 {1e3 * other:.1f} ms a step")
        print(f"{1 / statistics.median(ratios):.2f} x ({1 / ratios[-1]:.2f} to {1 / ratios[0]:.2f})")


if __name__ == "__main__":
    main()
