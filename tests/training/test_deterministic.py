"""--deterministic: two runs with several threads end with the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import Batch, Recipe, same, train, weights

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit

SETTINGS = Fit(steps=3, batch_size=4, precision="32", warmup_steps=0, deterministic=True)

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(4)
sys.path.insert(0, sys.argv[2])
from test_deterministic import Scattering, SETTINGS
from toy import train
for name in ("first", "second"):
    train(Path(sys.argv[1]) / name, SETTINGS, recipe=Scattering(SETTINGS))
    default = replace(SETTINGS, deterministic=False)
    train(Path(sys.argv[1]) / f"{name} by default", default, recipe=Scattering(default))
"""


class Scattering(Recipe):
    """Adds many numbers in places that collide; left alone, threads do so in whatever order they come."""

    def training_step(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
        terms = super().training_step(batch, index)
        assert torch.are_deterministic_algorithms_enabled()
        place = torch.randint(0, 7, (400_000,))
        spread = self.network[5].weight.flatten()[torch.randint(0, 288, (400_000,))] * torch.randn(400_000)
        piled = torch.zeros(7).index_add(0, place, spread)
        piled = piled + torch.zeros(7).scatter_add(0, place, spread)
        piled = piled.index_put((place,), spread, accumulate=True)
        return {**terms, "loss": terms["loss"] + 1e-3 * piled.square().mean()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("threads")
    command = [sys.executable, "-c", SCRIPT, str(folder), str(Path(__file__).parent)]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "deterministic" not in done.stderr
    return folder


@pytest.mark.parametrize("mode", ["", " by default"], ids=["asked for", "default on the CPU"])
def test_two_runs_with_threads_are_the_same(root: Path, mode: str) -> None:
    assert same(weights(root / f"first{mode}"), weights(root / f"second{mode}"))


def test_left_as_it_was(tmp_path: Path) -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    train(tmp_path, SETTINGS)
    assert not torch.are_deterministic_algorithms_enabled()


def test_operation_that_cannot(tmp_path: Path) -> None:
    class Careless(Recipe):
        def training_step(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))  # has no deterministic algorithm
            return super().training_step(batch, index)

    with pytest.raises(OcellusError, match="put_ has no deterministic algorithm") as caught:
        train(tmp_path, SETTINGS, recipe=Careless(SETTINGS))
    assert caught.value.exit_code == 2
