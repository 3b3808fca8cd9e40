"""A run that was killed and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import Examples, Recipe, same, train, validate, weights

from ocellus.errors import OcellusError
from ocellus.training import checkpoint
from ocellus.training.settings import Fit

HERE = Path(__file__).parent

# 10 pictures in batches of 2 twice accumulated: an epoch ends within step 3, after step 5, ...
SETTINGS = Fit(
    steps=8,
    batch_size=2,
    accumulate=2,
    learning_rate=1e-2,
    warmup_steps=2,
    precision="32",
    ema=0.9,
    validate_every=3,
    log_every=2,
    workers=2,
)

# (name, step, when): validations follow steps 3, 6 and 8; epochs end within step 3 and after step 5.
KILLS = [
    ("before the first step is done", 0, "loss"),
    ("before a validation, in the middle of an epoch", 2, "loss"),
    ("in a validation", 3, "validation"),
    ("after a validation, as its weights are kept", 3, "save"),
    ("as a checkpoint is written", 4, "write"),
    ("between two renames of checkpoints", 4, "rename"),
    ("at the border of an epoch", 5, "loss"),
    ("in the last validation", 8, "validation"),
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that ended with SIGKILL and were resumed, and one that was left alone; see kill.py."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, str(HERE / "kill.py"), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize(("name", "step", "when"), KILLS, ids=[name for name, *_ in KILLS])
def test_killed_and_resumed_is_bit_equal(killed: Path, name: str, step: int, when: str) -> None:
    folder = killed / f"{step}-{when}"
    assert (folder / "was-killed").is_file()
    whole, resumed = weights(killed / "whole"), weights(folder)
    assert len(whole) > 30
    assert same(whole, resumed), [name for name in whole if not torch.equal(whole[name], resumed[name])]


def test_killed_and_resumed_log_is_the_same(killed: Path) -> None:
    def lines(folder: Path) -> list[dict[str, float]]:
        text = (folder / "metrics.jsonl").read_text().splitlines()
        changing = ("seconds", "images_per_second")
        return [{k: v for k, v in json.loads(line).items() if k not in changing} for line in text]

    whole = lines(killed / "whole")
    assert [(line["step"], line["split"]) for line in whole] == [
        *((2, "train"), (3, "val"), (4, "train"), (6, "train"), (6, "val"), (8, "train"), (8, "val")),
    ]
    for _, step, when in KILLS:
        assert lines(killed / f"{step}-{when}") == whole, (step, when)


def test_a_different_seed_ends_elsewhere(tmp_path: Path) -> None:
    settings = Fit(steps=2, batch_size=2, precision="32", warmup_steps=0)
    train(tmp_path / "a", settings)
    train(tmp_path / "b", settings)
    train(tmp_path / "c", Fit(steps=2, batch_size=2, precision="32", warmup_steps=0, seed=1))
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_validation_leaves_no_trace(tmp_path: Path) -> None:
    """With a validation that draws random numbers at every step, and without any."""
    often = Fit(steps=4, batch_size=2, precision="32", validate_every=1)
    train(tmp_path / "often", often)
    train(tmp_path / "never", often, validate=None)
    first, second = (torch.load(tmp_path / name / "last.ckpt")["recipe"] for name in ("often", "never"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_damaged_checkpoint_falls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Fit(steps=4, batch_size=2, precision="32", validate_every=2)
    train(tmp_path / "whole", settings)
    for damage in ("cut", "flip", "empty"):
        folder = tmp_path / damage
        train(folder, settings)
        last = folder / "last.ckpt"
        content = bytearray(last.read_bytes())
        if damage == "flip":  # within a weight
            place = content.find(torch.load(last)["recipe"]["network.0.weight"].numpy().tobytes()[:32])
            assert place > 0
            content[place + 1] ^= 0x10
        last.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
        train(folder, settings, resume=True)
        assert same(weights(tmp_path / "whole"), weights(folder)), damage
        assert "last.ckpt:" in capsys.readouterr().err
    for name in (checkpoint.LAST, checkpoint.PREVIOUS):
        (folder / name).write_bytes(b"no checkpoint")
    with pytest.raises(OcellusError, match=r"no checkpoint in .* can be read"):
        train(folder, settings, resume=True)


def test_resume_needs_the_same_settings(tmp_path: Path) -> None:
    settings = Fit(steps=2, batch_size=2, precision="32")
    train(tmp_path, settings)
    for other, words in (
        (Fit(steps=4, batch_size=4, precision="32"), "batch size over all processes 2 then, 4 now"),
        (Fit(steps=4, batch_size=2, precision="32", seed=3), "seed 0 then, 3 now"),
    ):
        with pytest.raises(OcellusError, match=words) as caught:
            train(tmp_path, other, resume=True)
        assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match="training pictures 10 then, 7 now"):
        train(tmp_path, settings, resume=True, examples=Examples(count=7))
    with pytest.raises(OcellusError, match="another network"):
        train(tmp_path, settings, resume=True, recipe=Recipe(settings, norm=False))
    with pytest.raises(OcellusError, match="already holds a run"):
        train(tmp_path, settings)


def test_a_finished_run_stays_as_it_is_and_may_be_prolonged(tmp_path: Path) -> None:
    settings = Fit(steps=2, batch_size=2, precision="32", schedule="constant", warmup_steps=0)
    train(tmp_path, settings)
    before = (tmp_path / "last.ckpt").read_bytes()
    result = train(tmp_path, settings, resume=True, validate=lambda _: pytest.fail("validated again"))
    assert result.step == 2 and result.metrics["score"] > -10
    assert (tmp_path / "last.ckpt").read_bytes() == before
    longer = Fit(steps=3, batch_size=2, precision="32", schedule="constant", warmup_steps=0)
    assert train(tmp_path, longer, resume=True).step == 3
    train(tmp_path / "whole", longer, validate=validate)
    assert torch.equal(
        torch.load(tmp_path / "last.ckpt")["recipe"]["network.0.weight"],
        torch.load(tmp_path / "whole" / "last.ckpt")["recipe"]["network.0.weight"],
    )


def test_checkpoint_is_read_without_running_code(tmp_path: Path) -> None:
    train(tmp_path, Fit(steps=1, batch_size=2, precision="32", ema=0.5))
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["step"] == 1 and content["format"] == 1
