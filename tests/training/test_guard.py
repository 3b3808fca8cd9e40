"""A loss that is not finite: the run stops, and says which picture, term and layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from toy import Batch, Examples, Recipe, train

from ocellus.errors import OcellusError
from ocellus.training.settings import Fit
from ocellus.training.signals import Interrupted

SETTINGS = Fit(steps=6, batch_size=4, precision="32", warmup_steps=0)


def failure(folder: Path, **arguments: object) -> str:
    with pytest.raises(OcellusError) as caught:
        train(folder, SETTINGS, **arguments)
    assert caught.value.exit_code == 1 and not isinstance(caught.value, Interrupted)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_poisoned_picture(tmp_path: Path) -> None:
    message = failure(tmp_path, examples=Examples(poison=7))
    assert "picture 7.png, loss term value, first in layer network.0 (Conv2d)" in message
    assert "weights" not in message.split(";")[0]
    with safe_open(tmp_path / "bad_batch.safetensors", "pt") as file:
        names = json.loads(file.metadata()["strings"])
        row = list(names.values()).index("7.png")
        images = file.get_tensor("images")
        assert images.shape == (4, 3, 8, 8) and file.get_tensor(f"targets.{row}").shape == (1,)
    assert images[row].isnan().any() and not images[[i for i in range(4) if i != row]].isnan().any()
    kept = torch.load(tmp_path / "last.ckpt")
    assert all(value.isfinite().all() for value in kept["recipe"].values() if value.is_floating_point())


def test_poisoned_weight(tmp_path: Path) -> None:
    recipe = Recipe(SETTINGS)
    with torch.no_grad():
        recipe.network[5].weight[0, 3] = float("inf")
    message = failure(tmp_path, recipe=recipe)
    assert "first in layer network.5 (Linear), weights network.5.weight" in message
    assert "picture" not in message.split(";")[0]


class Exploding(Recipe):
    """At its third step, the loss of one picture."""

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        terms = super().training_step(batch, index)
        late = torch.log(torch.tensor(float(self.step < 2 or "3.png" not in batch.names)))
        return {**terms, "loss": terms["loss"] - late, "late": -late}


def test_term_outside_of_any_layer(tmp_path: Path) -> None:
    message = failure(tmp_path, recipe=Exploding(SETTINGS))
    assert "(picture 3.png, loss term late)" in message


class Steep(Recipe):
    """A finite loss with a gradient that is not: the slope of a root at 0."""

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        terms = super().training_step(batch, index)
        steep = (self.network[5].bias * 0).sum().abs().sqrt()
        return {**terms, "loss": terms["loss"] + steep, "steep": steep}


def test_gradient(tmp_path: Path) -> None:
    recipe = Steep(SETTINGS)
    before = recipe.network[0].weight.clone()
    assert "gradient of network.5.bias" in failure(tmp_path, recipe=recipe)
    assert torch.equal(recipe.network[0].weight, before)


class Fragile(Recipe):
    """A layer's numbers that are not finite break the step before there is a loss."""

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        if self.network(batch.images).isnan().any():
            raise IndexError("out of range")
        return super().training_step(batch, index)


def test_step_that_breaks(tmp_path: Path) -> None:
    message = failure(tmp_path, recipe=Fragile(SETTINGS), examples=Examples(poison=2))
    assert "picture 2.png, first in layer network.0" in message


class Broken(Recipe):
    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        raise IndexError("a mistake of ours")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IndexError, match="a mistake of ours"):
        train(tmp_path, SETTINGS, recipe=Broken(SETTINGS))


class Unreadable(Examples):
    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, str]:
        if key[1] == 5:
            raise OcellusError("5.png is cut short: copy it again")
        return super().__getitem__(key)


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_picture(tmp_path: Path, workers: int) -> None:
    settings = Fit(steps=6, batch_size=4, precision="32", workers=workers)
    with pytest.raises(OcellusError, match=r"^5.png is cut short: copy it again$"):
        train(tmp_path, settings, examples=Unreadable())
