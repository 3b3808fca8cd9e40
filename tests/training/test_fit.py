"""A run from the outside: what it leaves in its folder, what it says, what it tries."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from toy import Batch, Examples, Recipe, save, train, validate

from ocellus.errors import OcellusError
from ocellus.training.devices import choose_precision
from ocellus.training.settings import Fit

SHORT = Fit(steps=4, batch_size=4, precision="32", warmup_steps=0, log_every=2)


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_learns_and_leaves_its_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = Fit(
        steps=150, batch_size=4, precision="32", warmup_steps=5, learning_rate=5e-3, validate_every=50
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = train(tmp_path, settings)
    assert result.step == result.steps == 150 and result.metrics["score"] > 0.75
    names = {path.name for path in tmp_path.iterdir()}
    event = {name for name in names if name.startswith("events.out.tfevents")}
    assert names - event == {"best.safetensors", "last.ckpt", "previous.ckpt", "metrics.jsonl"} and event
    train_lines = [line for line in lines(tmp_path) if line["split"] == "train"]
    assert [line["step"] for line in train_lines] == list(range(10, 151, 10))
    assert train_lines[-1]["loss"] < 0.3 * train_lines[0]["loss"]
    assert {"value", "size", "gradient_norm", "learning_rate", "images_per_second", "epoch"} <= set(
        train_lines[0]
    )
    assert train_lines[-1]["epoch"] == 60
    output = capfd.readouterr()
    assert output.out == ""
    assert "validation after step 150: score 0." in output.err
    assert all(line.startswith(("step ", "validation ")) for line in output.err.splitlines()), output.err
    assert not [warning for warning in caught if "lightning" in str(warning.filename)]
    assert logging.getLogger("lightning.pytorch").level != logging.ERROR


def test_best_is_what_was_best(tmp_path: Path) -> None:
    """The figures fall after the second validation; lower is better the other way round."""
    for lower, step in ((False, 2), (True, 4)):
        figures = iter([0.1, 0.5, 0.3, 0.05])
        folder = tmp_path / str(lower)
        every = Fit(steps=4, batch_size=4, precision="32", validate_every=1)
        result = train(folder, every, validate=lambda _: {"score": next(figures)}, lower_is_better=lower)  # noqa: B023
        assert result.best_step == step
        last = torch.load(folder / "last.ckpt")["recipe"]["network.0.weight"]
        assert torch.equal(load_file(folder / "best.safetensors")["0.weight"], last) == (step == 4)


def test_figures_that_are_no_numbers_are_not_the_best(tmp_path: Path) -> None:
    figures = iter([float("nan"), 0.2, float("nan"), 0.1])
    every = Fit(steps=4, batch_size=4, precision="32", validate_every=1)
    assert train(tmp_path, every, validate=lambda _: {"score": next(figures)}).metrics == {"score": 0.2}


def test_patience(tmp_path: Path) -> None:
    figures = iter([0.1, 0.5, 0.3, 0.4, 0.5])
    settings = Fit(steps=50, batch_size=4, precision="32", validate_every=2, patience=3)
    result = train(tmp_path, settings, validate=lambda _: {"score": next(figures)})
    assert (result.step, result.best_step) == (10, 4)
    assert train(tmp_path, settings, resume=True).step == 10


def test_unknown_figure(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match=r"no figure 'mask/AP' .* there is score") as caught:
        train(tmp_path, SHORT, monitor="mask/AP")
    assert caught.value.exit_code == 2


def test_without_validation_the_last_is_kept(tmp_path: Path) -> None:
    train(tmp_path, SHORT, validate=None)
    last = torch.load(tmp_path / "last.ckpt")["recipe"]["network.0.weight"]
    assert torch.equal(load_file(tmp_path / "best.safetensors")["0.weight"], last)


def test_average_is_validated_and_kept(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    def look(network: nn.Module) -> dict[str, float]:
        seen.append(network[0].weight.clone())
        return validate(network)

    train(tmp_path, Fit(steps=3, batch_size=4, precision="32", ema=0.9, validate_every=3), validate=look)
    content = torch.load(tmp_path / "last.ckpt")
    assert torch.equal(seen[0], content["ema"]["0.weight"])
    assert torch.equal(seen[0], load_file(tmp_path / "best.safetensors")["0.weight"])
    assert not torch.equal(seen[0], content["recipe"]["network.0.weight"])


def test_accumulated_batches_are_one_larger_batch(tmp_path: Path) -> None:
    """Without what depends on the batch, two of 2 pictures move the weights as one of 4."""
    after = {}
    for size, times in ((4, 1), (2, 2)):
        settings = Fit(
            steps=3, batch_size=size, accumulate=times, precision="32", optimizer="sgd", learning_rate=0.01,
            clip=0.05, log_every=1,
        )  # fmt: skip
        folder = tmp_path / str(size)
        train(folder, settings, recipe=Recipe(settings, norm=False, dropout=0.0))
        after[size] = torch.load(folder / "last.ckpt")["recipe"]["network.5.weight"], lines(folder)[0]["loss"]
    torch.testing.assert_close(after[4][0], after[2][0])
    assert after[4][1] == pytest.approx(after[2][1])


def test_gradients_are_clipped(tmp_path: Path) -> None:
    settings = Fit(
        steps=1, batch_size=4, precision="32", optimizer="sgd", learning_rate=1.0, warmup_steps=0,
        weight_decay=0, schedule="constant", clip=0.01,
    )  # fmt: skip
    recipe = Recipe(settings)
    before = [parameter.detach().clone() for parameter in recipe.parameters()]
    train(tmp_path, settings, recipe=recipe)
    moved = torch.cat([(a - b).detach().flatten() for a, b in zip(recipe.parameters(), before, strict=True)])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)
    assert lines(tmp_path)[0]["gradient_norm"] > 0.1


def test_bf16(tmp_path: Path) -> None:
    """The network's numbers are bfloat16 in training, its weights and its validation are not."""
    kinds: list[tuple[bool, torch.dtype]] = []

    class Looking(Recipe):
        def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
            hook = self.network[0].register_forward_hook(lambda *parts: kinds.append((True, parts[2].dtype)))
            terms = super().training_step(batch, index)
            hook.remove()
            return terms

    settings = Fit(steps=2, batch_size=4, precision="bf16")
    train(tmp_path, settings, recipe=Looking(settings))
    assert kinds == [(True, torch.bfloat16)] * 2
    assert load_file(tmp_path / "best.safetensors")["0.weight"].dtype == torch.float32


def test_automatic_precision_asks_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, wanted in (
        ({"amx_bf16": True}, "bf16"),
        ({"avx512_bf16": True}, "bf16"),
        ({"avx2": True}, "32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert choose_precision("auto", "cpu") == wanted
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision("auto", "cpu") == "32"
    assert choose_precision("bf16", "cpu") == "bf16"


@pytest.mark.parametrize("name", ["cuda:77", "gpu", "cuda:x"])
def test_device_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(OcellusError, match="device") as caught:
        train(tmp_path, Fit(steps=1, device=name))
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="no pictures to train on"):
        train(tmp_path, SHORT, examples=Examples(count=0))


def test_network_is_left_in_train_mode_after_validation(tmp_path: Path) -> None:
    """A frozen part stays in eval mode, the rest goes back to training."""
    modes: list[tuple[bool, bool]] = []

    class Looking(Recipe):
        def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
            modes.append((self.network[4].training, self.network[1].training))
            return super().training_step(batch, index)

        def on_train_start(self) -> None:
            self.network[1].eval()

    train(tmp_path, Fit(steps=3, batch_size=4, validate_every=1), recipe=Looking(SHORT), save=save)
    assert modes == [(True, False)] * 3
