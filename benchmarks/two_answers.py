"""Why squared error blurs: what each loss answers where the truth is black or white and nothing tells which.

    python -m benchmarks.two_answers docs/pictures/two-answers.png

One pixel is to be guessed whose true values are 0 (black) and 1 (white) in a stated share; there is nothing
to tell them apart by. Squared error is least at their mean, a grey that is never true. Absolute error is
least at their median: pure black where more than half are black, and at 50:50 any value is as good as any
other, so that the answer stays where it began. A generator that must fool a discriminator gives one of the
two, as its noise decides. Takes about half a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ocellus.draw.figures import figure_style
from ocellus.nn.adversarial import discriminator_loss, generator_loss, r1_penalty

SHARES = (0.4, 0.5, 0.6)
"""Of black."""
COUNT = 20
"""True values, starts, and answers of the generator that are shown."""


def targets(black: float, count: int = COUNT) -> Tensor:
    """(count,) zeros and ones, zeros in a share of `black`."""
    return (torch.arange(count) >= round(black * count)).float()


def guessed(black: float, *, loss: str, steps: int = 400) -> Tensor:
    """(COUNT,) the values that gradient descent ends at, from as many starts between 0 and 1.

    Args:
        black: share of black.
        loss: l1 or mse.
        steps: of descent.
    """
    truth = targets(black)
    values = torch.linspace(0.05, 0.95, COUNT, requires_grad=True)
    for step in range(steps):
        apart = values[:, None] - truth
        error = (apart.abs() if loss == "l1" else apart.square()).mean(1).sum()
        (gradient,) = torch.autograd.grad(error, values)
        with torch.no_grad():
            values -= 0.3 * (1 - step / steps) * gradient
            values.clamp_(0, 1)
    return values.detach()


def generated(black: float, *, steps: int = 2500, seed: int = 0, count: int = COUNT) -> Tensor:
    """(count,) answers of a generator trained against a discriminator, for as many draws of its noise.

    Args:
        black: share of black.
        steps: of each of the two.
        seed: of weights and noise.
        count: answers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2),
                                  nn.Linear(32, 1), nn.Sigmoid())  # fmt: skip
        judge = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2),
                              nn.Linear(32, 1))  # fmt: skip
        first, second = (
            torch.optim.Adam(part.parameters(), 2e-3, betas=(0.5, 0.99)) for part in (generator, judge)
        )
        for _ in range(steps):
            real = (torch.rand(64, 1) >= black).float().requires_grad_()
            fake = generator(torch.randn(64, 4))
            logits = judge(real)
            loss = discriminator_loss(logits, judge(fake.detach()), kind="nonsaturating")
            loss = loss + 0.05 * r1_penalty(logits, real)
            second.zero_grad()
            loss.backward()
            second.step()
            first.zero_grad()
            generator_loss(judge(fake), kind="nonsaturating").backward()
            first.step()
        with torch.no_grad():
            found: Tensor = generator(torch.randn(count, 4))[:, 0]
    return found


def answers(black: float, *, steps: int = 2500) -> dict[str, Tensor]:
    """(COUNT,) true values and what each loss answers, by name.

    Args:
        black: share of black.
        steps: of the adversarial training.
    """
    return {
        "true values": targets(black),
        "squared error": guessed(black, loss="mse"),
        "absolute error": guessed(black, loss="l1"),
        "adversarial": generated(black, steps=steps),
    }


def draw(found: dict[float, dict[str, Tensor]]) -> Figure:
    """A row of small squares for each share of black and each loss.

    Args:
        found: `answers` by share.
    """
    figure = Figure(figsize=(11, 1.7))
    names = list(next(iter(found.values())))
    columns = figure.subplots(1, len(names))
    words = [f"{100 * black:.0f} : {100 - 100 * black:.0f}" for black in found]
    for column, name in zip(columns, names, strict=True):
        column.grid(visible=False)
        for place, rows in enumerate(found.values()):
            column.pcolormesh(
                np.arange(COUNT + 1), (place, place + 0.75), rows[name][None].numpy(), cmap="gray", vmin=0,
                vmax=1, edgecolors="#8a8f98", linewidth=0.4,
            )  # fmt: skip
        column.set_ylim(len(found) - 0.2, -0.05)
        column.set_xlim(-0.1, COUNT + 0.1)
        column.set_title(name)
        column.set_xticks([])
        column.set_yticks([place + 0.375 for place in range(len(found))], words)
        for side in ("left", "bottom"):
            column.spines[side].set_visible(False)
    columns[0].set_ylabel("black : white")
    return figure


def main() -> None:
    """Write the figure, and print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2500, help="of the adversarial training")
    arguments = parser.parse_args()
    found = {black: answers(black, steps=arguments.steps) for black in SHARES}
    with figure_style():
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        draw(found).savefig(arguments.out, dpi=110)
    for black, rows in found.items():
        told = "; ".join(f"{name} {row.min():.3f} to {row.max():.3f}" for name, row in rows.items())
        print(f"{100 * black:.0f} % black: {told}")


if __name__ == "__main__":
    main()
