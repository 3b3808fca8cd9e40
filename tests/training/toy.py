"""A recipe so small that a run of it takes a moment: it learns the mean of noisy pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ocellus.training.fit import FitResult, fit
from ocellus.training.optimizers import make_optimizer
from ocellus.training.settings import Fit

COUNT = 10


class Batch(NamedTuple):
    images: Tensor
    targets: tuple[Tensor, ...]
    names: tuple[str, ...]


class Examples:
    """Pictures with an augmentation that depends on the epoch; `poison` names one that is not a number."""

    def __init__(self, *, count: int = COUNT, poison: int = -1) -> None:
        self.count = count
        self.poison = poison

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, str]:
        epoch, index = key
        base = torch.Generator().manual_seed(index)
        noise = torch.Generator().manual_seed(1000 * epoch + index)
        image = torch.rand(3, 8, 8, generator=base) + 0.1 * torch.rand(3, 8, 8, generator=noise)
        if index == self.poison:
            image[0, 0, 0] = float("nan")
        return image, image.mean().reshape(1), f"{index}.png"


def collate(items: list[Any]) -> Batch:
    images, targets, names = zip(*items, strict=True)
    return Batch(torch.stack(images), targets, names)


class Recipe(LightningModule):
    """Dropout makes a step depend on the generator; batch norm makes it depend on buffers."""

    def __init__(self, settings: Fit, *, norm: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        self.settings = settings
        torch.manual_seed(settings.seed)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(288, 1),
        )

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        predicted = self.network(batch.images)
        value = functional.mse_loss(predicted, torch.stack(batch.targets))
        size = 0.01 * predicted.abs().mean()
        return {"loss": value + size, "value": value, "size": size}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.network, self.settings)


def validate(network: nn.Module) -> dict[str, float]:
    """Uses random numbers, which must not be felt in the training."""
    device = next(network.parameters()).device
    images = torch.rand(4, 3, 8, 8).to(device)
    assert not network.training
    error = (network(images)[:, 0] - images.mean((1, 2, 3))).abs().mean()
    return {"score": 1 - float(error)}


def save(network: nn.Module, path: Path, metrics: dict[str, float]) -> None:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def train(folder: Path, settings: Fit, **arguments: Any) -> FitResult:
    """A run of the toy; `recipe`, `examples` and what else `fit` takes may be given."""
    given = {
        "recipe": Recipe(settings),
        "examples": Examples(),
        "collate": collate,
        "validate": validate,
        "monitor": "score",
        "folder": folder,
        "settings": settings,
        "save": save,
    }
    given.update(arguments)
    return fit(given.pop("recipe"), **given)


def weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of last.ckpt that a run ends with, and best.safetensors."""
    content = torch.load(folder / "last.ckpt", weights_only=True)
    found = {f"recipe.{name}": value for name, value in content["recipe"].items()}
    for number, optimizer in enumerate(content["optimizers"]):
        for row, entries in optimizer["state"].items():
            found.update({f"{number}.{row}.{name}": value for name, value in entries.items()})
    found.update({f"ema.{name}": value for name, value in (content["ema"] or {}).items()})
    found.update({f"best.{name}": value for name, value in load_file(folder / "best.safetensors").items()})
    found["score"] = torch.tensor(content["state"]["best"], dtype=torch.float64)
    return found


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
