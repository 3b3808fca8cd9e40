"""Ctrl-C and SIGTERM leave a run that goes on to the same end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import Batch, Recipe, same, train, validate, weights

from ocellus.training.settings import Fit
from ocellus.training.signals import Interrupted

SETTINGS = Fit(steps=6, batch_size=4, precision="32", validate_every=3, ema=0.9, workers=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    folder = tmp_path_factory.mktemp("whole")
    train(folder, SETTINGS)
    return weights(folder)


class Signalled(Recipe):
    """Gets a signal in a step."""

    def __init__(self, number: int, *, step: int) -> None:
        super().__init__(SETTINGS)
        self.number = number
        self.at = step

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        if self.step == self.at:
            os.kill(os.getpid(), self.number)
        return super().training_step(batch, index)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_signal_in_a_step(tmp_path: Path, whole: dict[str, Tensor], number: int, name: str) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        train(tmp_path, SETTINGS, recipe=Signalled(number, step=3))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert caught.value.exit_code == 130 and caught.value.step == 4
    assert str(caught.value) == (
        f"stopped by {name}; {tmp_path / 'last.ckpt'} holds step 4 of 6: the same command with --resume "
        "goes on from there"
    )
    train(tmp_path, SETTINGS, resume=True)
    assert same(whole, weights(tmp_path))


@pytest.mark.parametrize("step", [3, 6])
def test_signal_in_a_validation(tmp_path: Path, whole: dict[str, Tensor], step: int) -> None:
    """The validation ends at once and is done again when the run is resumed; so after the last step."""
    count = []

    def slow(network: nn.Module) -> dict[str, float]:
        count.append(1)
        if len(count) == step // 3:
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the validation went on")
        return validate(network)

    with pytest.raises(Interrupted) as caught:
        train(tmp_path, SETTINGS, validate=slow)
    assert caught.value.step == step
    count.clear()
    count.extend([1] * (step // 3 - 1))
    with pytest.raises(Interrupted) as caught:  # nor does it want to wait for it the next time
        train(tmp_path, SETTINGS, validate=slow, resume=True)
    assert caught.value.step == step
    state = torch.load(tmp_path / "last.ckpt")["state"]
    assert (state["step"], state["validated"]) == (step, step - 3)
    assert train(tmp_path, SETTINGS, resume=True).step == 6
    assert same(whole, weights(tmp_path))
    lines = [line for line in (tmp_path / "metrics.jsonl").read_text().splitlines() if '"val"' in line]
    assert len(lines) == 2


def test_impatience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C, later than a launcher would pass the first one on, ends the step itself."""
    monkeypatch.setattr("ocellus.training.signals.SAME", 0.0)

    class Slow(Signalled):
        def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
            terms = super().training_step(batch, index)
            if self.step == self.at:
                os.kill(os.getpid(), self.number)
                pytest.fail("the step went on")
            return terms

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="holds step 3 of 6"):
        train(tmp_path, SETTINGS, recipe=Slow(signal.SIGINT, step=4))
    assert signal.getsignal(signal.SIGINT) == before


def test_in_a_thread(tmp_path: Path) -> None:
    """Where signals cannot be handled, a run goes as ever."""
    from threading import Thread

    results: list[Any] = []
    settings = Fit(steps=1, batch_size=2, precision="32")
    thread = Thread(target=lambda: results.append(train(tmp_path, settings)))
    thread.start()
    thread.join(60)
    assert results[0].step == 1
