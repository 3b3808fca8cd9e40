"""The settings of a run that every system shares. Standard library only: help and forms are instant."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from ocellus.errors import OcellusError


@dataclass(frozen=True)
class Fit:
    """How long, how fast and on what to train. A system's own defaults are the constant FIT of its config."""

    steps: int = 0
    """Optimizer steps to train for; 0: as many as --epochs says."""
    epochs: float = 12.0
    """Passes over the training pictures, where --steps is 0."""
    batch_size: int = 4
    """Pictures in a batch, on each device."""
    accumulate: int = 1
    """Batches whose gradients are added up before an optimizer step."""
    optimizer: str = "adamw"
    """adamw or sgd (momentum 0.9)."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    backbone_rate: float = 1.0
    """Learning rate of the backbone as a share of --learning-rate; below 1 for pretrained weights."""
    layer_decay: float = 1.0
    """Factor on the learning rate from each backbone stage to the one before it; 1: the same for all."""
    weight_decay: float = 1e-4
    """Weight decay of weights with two or more dimensions; norms and biases have none."""
    schedule: str = "cosine"
    """cosine, multistep (times 0.1 after 2/3 and 8/9 of the run), linear (constant for half of the run, then
    in a line down to 0) or constant, after the warm-up."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises linearly from 1/1000 of its peak."""
    clip: float = 10.0
    """Largest norm of the gradient, larger ones are scaled down; 0: no clipping."""
    ema: float = 0.0
    """Decay of a moving average of the weights, which is then what is validated and kept; 0: none."""
    precision: str = "auto"
    """32, bf16, or auto: bf16 where the device multiplies it in hardware."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    workers: int = 0
    """Processes that read and augment pictures; 0: the main process does."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    deterministic: bool = False
    """Only deterministic algorithms: two runs on the same machine give the same bits."""
    validate_every: int = 0
    """Steps between validations; 0: after each epoch."""
    patience: int = 0
    """Validations without improvement after which training stops early; 0: never."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl and TensorBoard."""


CHOICES = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "multistep", "linear", "constant"),
    "precision": ("auto", "32", "bf16"),
}
LEAST = {
    "steps": 0,
    "batch_size": 1,
    "accumulate": 1,
    "warmup_steps": 0,
    "clip": 0,
    "weight_decay": 0,
    "ema": 0,
    "layer_decay": 0,
    "backbone_rate": 0,
    "workers": 0,
    "seed": 0,
    "validate_every": 0,
    "patience": 0,
    "log_every": 1,
}
MOST = {"ema": 0.999999, "learning_rate": 1e3, "layer_decay": 1.0, "workers": 512}


def check(settings: Fit) -> None:
    """See that the settings make sense.

    Raises:
        OcellusError: one does not; the message names it. Exit code 2.
    """
    for name, value in asdict(settings).items():
        if name in CHOICES and value not in CHOICES[name]:
            wanted = f"one of {', '.join(CHOICES[name])}"
        elif isinstance(value, float) and not math.isfinite(value):
            wanted = "a finite number"
        elif name in LEAST and value < LEAST[name]:
            wanted = f"at least {LEAST[name]}"
        elif name in MOST and value > MOST[name]:
            wanted = f"at most {MOST[name]:g}"
        elif name == "learning_rate" and value <= 0:
            wanted = "more than 0"
        elif name == "epochs" and value <= 0 and not settings.steps:
            wanted = "more than 0 where --steps is 0"
        else:
            continue
        flag = name.replace("_", "-")
        raise OcellusError(f"--{flag} {value} makes no sense: it takes {wanted}", exit_code=2)
