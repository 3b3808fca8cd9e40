"""Two processes on the CPU, over gloo, as torchrun starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toy import Recipe, same, train, weights

from ocellus.training.distributed import Agreement, Layout, layout
from ocellus.training.settings import Fit

HERE = Path(__file__).parent
PLAIN = Fit(
    steps=6,
    batch_size=2,
    precision="32",
    device="cpu",
    optimizer="sgd",
    learning_rate=0.01,
    warmup_steps=2,
    validate_every=3,
    log_every=2,
)
RECIPE = replace(PLAIN, steps=4, batch_size=1, validate_every=2, workers=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What processes.py left."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [str(HERE / "processes.py"), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *script], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0 and (folder / "done").exists(), done.stderr[-4000:]
    return folder


def ends(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]


def parameters(end: dict[str, Any]) -> dict[str, Tensor]:
    """Without the statistics of norms: each process gathers its own, and those of the first count."""
    return {name: value for name, value in end["weights"].items() if "running" not in name}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["plain", "whole", "stopped", "mask_rcnn"])
def test_processes_have_the_same_weights(root: Path, name: str) -> None:
    first, second = ends(root / name)
    assert first["message"] == second["message"] == ""
    assert same(parameters(first), parameters(second))


def test_two_processes_are_one_with_twice_the_batch(root: Path, tmp_path: Path) -> None:
    settings = replace(PLAIN, batch_size=4)
    recipe = Recipe(settings, norm=False, dropout=0.0)
    start = {name: value.clone() for name, value in recipe.state_dict().items()}
    train(tmp_path, settings, recipe=recipe)
    found = ends(root / "plain")[0]["weights"]
    for name, value in recipe.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7)
        assert not torch.allclose(found[name], start[name], rtol=1e-3)
    for ours, theirs in zip(lines(root / "plain"), lines(tmp_path), strict=True):
        assert (ours["step"], ours["split"], ours.get("epoch")) == (
            theirs["step"], theirs["split"], theirs.get("epoch"),
        )  # fmt: skip
        figure = "loss" if ours["split"] == "train" else "score"
        assert ours[figure] == pytest.approx(theirs[figure], rel=1e-4)


def test_signal_to_one_process_stops_both_and_resumes(root: Path) -> None:
    assert same(weights(root / "whole"), weights(root / "stopped"))
    whole, stopped = (ends(root / name) for name in ("whole", "stopped"))
    for rank in (0, 1):
        assert same(parameters(whole[rank]), parameters(stopped[rank]))


def test_picture_that_is_no_number_stops_both(root: Path) -> None:
    messages = [end["message"] for end in ends(root / "poisoned")]
    told = [message for message in messages if "picture 4.png" in message]
    assert len(told) == 1 and "first in layer network.0" in told[0]
    other = next(message for message in messages if message not in told)
    assert other == f"{' '.join(told[0].split()[:3])} failed in another process, which says why"
    kept = torch.load(root / "poisoned" / "last.ckpt")
    assert kept["step"] == 3 and all(value.isfinite().all() for value in kept["recipe"].values())
    rank = messages.index(told[0])
    assert (root / "poisoned" / ("bad_batch.1.safetensors" if rank else "bad_batch.safetensors")).exists()


def test_picture_that_cannot_be_read_stops_both(root: Path) -> None:
    messages = sorted(end["message"] for end in ends(root / "unreadable"))
    assert messages == ["1 4.png is cut short", "1 a picture of another process could not be read"]


def test_failing_validation_stops_both(root: Path) -> None:
    assert [end["message"] for end in ends(root / "failing")] == ["1 the validation failed"] * 2


def test_batch_without_objects(root: Path) -> None:
    counts = [(root / "mask_rcnn" / f"counts{rank}.txt").read_text().split() for rank in (0, 1)]
    assert ("0", "2") in list(zip(*counts, strict=True)) + list(zip(*counts[::-1], strict=True)), counts
    assert [line["step"] for line in lines(root / "mask_rcnn") if line["split"] == "val"] == [2, 4]


def test_one_process_needs_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layout() == Layout(0, 1, 1)
    alone = Agreement()
    assert alone.any_of(True, False) == (True, False)
    assert alone.mean({"a": 1.0}) == {"a": 1.0} and alone.first(lambda: 3) == 3
    for name, value in (
        ("RANK", 3),
        ("WORLD_SIZE", 4),
        ("LOCAL_WORLD_SIZE", 2),
        ("TORCHELASTIC_RUN_ID", "a"),
    ):
        monkeypatch.setenv(name, str(value))
    assert layout() == Layout(3, 4, 2)


def test_command_line(tmp_path: Path) -> None:
    """torchrun -m ocellus train, on pictures of which most have no objects; one process speaks."""
    sys.path.append(str(HERE.parent / "see" / "mask_rcnn"))
    from test_recipe import write_coco

    write_coco(tmp_path / "data", pictures=8, empty=(0, 2, 3, 5))
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--steps", "3", "--batch-size", "1", "--out", str(run)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "ocellus", "train", "see/mask_rcnn", str(tmp_path / "data"), *flags],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("weights ") == done.stdout.count("report ") == 1
    names = {path.name for path in run.iterdir()}
    assert {"best.safetensors", "last.ckpt", "metrics.jsonl", "report.html", "run.toml"} <= names
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
    assert torch.load(run / "last.ckpt")["facts"]["batch size over all processes"] == 2
