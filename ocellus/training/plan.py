"""What a run is to do, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.training.distributed import Layout
from ocellus.training.sampler import pictures_of_step, validates
from ocellus.training.settings import Fit

BEST = "best.safetensors"

Save = Callable[[nn.Module, Path, dict[str, float]], None]
"""Writes a network and the figures of its validation to a file."""

Validate = Callable[[nn.Module], dict[str, float]]
"""A network in eval mode -> its figures."""

Samples = Callable[[nn.Module], dict[str, Tensor]]
"""A network in eval mode -> sheets of what it makes, (3, H, W) float in [0, 1], by name."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to do.

    Args:
        settings: of the loop.
        folder: of the run.
        steps: optimizer steps in all.
        count: training pictures.
        layout: of the processes.
        validate: measures the network, or None.
        save: writes the network.
        monitor: the figure that decides which weights are best.
        lower_is_better: of that figure.
        keep_seconds: time after which last.ckpt is written again, besides after each validation.
        samples: sheets to write at each validation, or None.
    """

    settings: Fit
    folder: Path
    steps: int
    count: int
    layout: Layout
    validate: Validate | None
    save: Save
    monitor: str
    lower_is_better: bool
    keep_seconds: float
    samples: Samples | None = None

    @property
    def pictures(self) -> int:
        """Pictures of one step, over all processes."""
        return pictures_of_step(self.settings, world=self.layout.world)

    def validates(self, step: int) -> bool:
        """Whether a validation follows a step."""
        return validates(
            step, settings=self.settings, steps=self.steps, count=self.count, world=self.layout.world
        )

    def facts(self) -> dict[str, Any]:
        """What must stay the same for a resumed run to end as an uninterrupted one does."""
        settings = self.settings
        return {
            "training pictures": self.count,
            "batch size over all processes": settings.batch_size * self.layout.world,
            "accumulate": settings.accumulate,
            "optimizer": settings.optimizer,
            "learning rate": settings.learning_rate,
            "ema": settings.ema,
            "seed": settings.seed,
        }

    def compare(self, facts: dict[str, Any]) -> None:
        """See that a checkpoint is of this run.

        Raises:
            OcellusError: it was made with other settings, which it names. Exit code 2.
        """
        mine = self.facts()
        other = [
            f"{name} {facts[name]} then, {mine[name]} now" for name in mine if facts.get(name) != mine[name]
        ]
        if other:
            raise OcellusError(
                f"{self.folder} cannot be resumed with other settings ({'; '.join(other)}): give those it "
                "was started with, or start a new run in another folder",
                exit_code=2,
            )


@dataclass
class State:
    """How far a run is.

    Args:
        step: optimizer steps done.
        validated: the step after which was last validated.
        best: the best figure so far, or None.
        best_step: the step it was measured after.
        stale: validations since.
        metrics: all figures of that validation.
    """

    step: int = 0
    validated: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def exhausted(self, patience: int) -> bool:
        """Whether `patience` validations have brought nothing better; 0 never ends."""
        return 0 < patience <= self.stale
