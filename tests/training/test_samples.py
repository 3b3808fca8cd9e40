"""Sheets of what a network makes: written at validations, and no trace of them in the training."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from test_two_optimizers import SETTINGS, Game, validate
from torch import Tensor, nn
from toy import same, train, weights

from ocellus.training.samples import write_samples


def sheets(network: nn.Module) -> dict[str, Tensor]:
    """Throws dice, as generators do, and minds whether the network is in eval mode."""
    assert not network.training and not torch.is_grad_enabled()
    made = network(torch.rand(1, 3, 8, 8)).reshape(3, 8, 8)
    return {"made": made.sigmoid(), "noise": torch.rand(3, 4, 4)}


def test_sheets_leave_no_trace_in_the_training(tmp_path: Path) -> None:
    train(tmp_path / "plain", SETTINGS, recipe=Game(), validate=validate)
    train(tmp_path / "shown", SETTINGS, recipe=Game(), validate=validate, samples=sheets)
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "shown"))
    names = sorted(path.name for path in (tmp_path / "shown" / "samples").iterdir())
    assert names == ["000003-made.png", "000003-noise.png", "000006-made.png", "000006-noise.png"]
    assert not (tmp_path / "plain" / "samples").exists()


def test_sheets_of_one_seed_can_be_compared(tmp_path: Path) -> None:
    train(tmp_path / "run", SETTINGS, recipe=Game(), validate=validate, samples=sheets)
    first, last = ((tmp_path / "run/samples" / f"00000{step}-noise.png").read_bytes() for step in (3, 6))
    assert len(first) == len(last)
    made = [Image.open(tmp_path / "run/samples" / f"00000{step}-made.png").tobytes() for step in (3, 6)]
    assert made[0] != made[1]  # the network has learnt between


def test_sheets_come_without_a_validation_too(tmp_path: Path) -> None:
    train(tmp_path / "run", SETTINGS, recipe=Game(), validate=None, samples=sheets)
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 4


def test_one_sheet_has_no_name(tmp_path: Path) -> None:
    (path,) = write_samples({"only": torch.full((3, 2, 5), 2.0)}, tmp_path, step=40)
    assert path == tmp_path / "samples" / "000040.png"
    with Image.open(path) as image:
        assert image.size == (5, 2) and image.getpixel((0, 0)) == (255, 255, 255)
