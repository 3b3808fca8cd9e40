"""A recipe with manual optimization: two networks that play against each other, and memory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from toy import Batch, same, train, weights

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

SETTINGS = Fit(
    steps=6, batch_size=2, precision="32", validate_every=3, ema=0.9, learning_rate=1e-3, log_every=1
)


class Game(LightningModule):
    """A generator of single pixels' means, a judge, and a pool of what was generated before."""

    strategy = "ddp_find_unused_parameters_true"

    def __init__(self, *, poison: int = -1) -> None:
        super().__init__()
        self.automatic_optimization = False
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 192))
        self.judge = nn.Sequential(nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 1))
        self.pool: list[Tensor] = []
        self.poison = poison
        self.step = 0

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        first, second = self.optimizers()
        real = batch.images.flatten(1)
        fake = self.network(torch.rand_like(batch.images))
        self.pool = [*self.pool, fake.detach()][-3:]
        old = self.pool[int(torch.randint(len(self.pool), ()))]
        judged = functional.softplus(self.judge(old)).mean() + functional.softplus(-self.judge(real)).mean()
        second.zero_grad()
        self.manual_backward(judged)
        second.step()
        fooled = functional.softplus(-self.judge(fake)).mean()
        if self.step == self.poison:
            fooled = fooled / 0
        first.zero_grad()
        self.manual_backward(fooled)
        first.step()
        return {"judge": judged, "generator": fooled}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(part.parameters(), lr=1e-3) for part in (self.network, self.judge)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["pool"] = self.pool

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.pool = list(checkpoint["pool"])


def validate(network: nn.Module) -> dict[str, float]:
    return {"score": float(network(torch.rand(2, 3, 8, 8)).mean())}


def test_resumed_is_bit_equal_with_both_optimizers_and_the_pool(tmp_path: Path) -> None:
    arguments = {"validate": validate, "keep_seconds": 0.0}
    train(tmp_path / "whole", SETTINGS, recipe=Game(), **arguments)

    class Killed(Exception):
        pass

    class Mortal(Game):
        def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
            if self.step == 4:
                raise Killed
            return super().training_step(batch, index)

    with pytest.raises(Killed):
        train(tmp_path / "parts", SETTINGS, recipe=Mortal(), **arguments)
    resumed = Game()
    assert train(tmp_path / "parts", SETTINGS, recipe=resumed, resume=True, **arguments).step == 6
    assert resumed.step == 5 and len(resumed.pool) == 3
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert {name.split(".")[0] for name in whole} >= {"0", "1", "recipe", "ema"}  # of two optimizers
    assert same(whole, parts)


def test_both_rates_follow_the_schedule(tmp_path: Path) -> None:
    game = Game()
    settings = Fit(steps=4, batch_size=2, precision="32", warmup_steps=2, schedule="constant")
    rates = []

    def look(network: nn.Module) -> dict[str, float]:
        rates.append([group["lr"] for optimizer in game.optimizers() for group in optimizer.param_groups])
        return {"score": 0.0}

    every = Fit(**{**settings.__dict__, "validate_every": 1})
    train(tmp_path, every, recipe=game, validate=look)
    assert [first for first, _ in rates] == pytest.approx([1e-6, 0.5005e-3, 1e-3, 1e-3])
    assert all(first == second for first, second in rates)


def test_gradients_of_several_batches_are_not_added_up(tmp_path: Path) -> None:
    settings = Fit(**{**SETTINGS.__dict__, "accumulate": 2})
    with pytest.raises(OcellusError, match=r"--accumulate 2.*--batch-size") as caught:
        train(tmp_path, settings, recipe=Game(), validate=validate)
    assert caught.value.exit_code == 2 and not (tmp_path / "last.ckpt").exists()


def test_loss_that_is_not_finite(tmp_path: Path) -> None:
    game = Game(poison=2)
    with pytest.raises(OcellusError, match="step 3 gave numbers that are not finite") as caught:
        train(tmp_path, SETTINGS, recipe=game, validate=validate)
    assert "loss term" in str(caught.value)
    assert all(parameter.isfinite().all() for parameter in game.parameters())
