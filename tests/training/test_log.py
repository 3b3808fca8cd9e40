"""metrics.jsonl and TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ocellus.training.log import Log, Window


def test_resumed_log_has_no_step_twice(tmp_path: Path) -> None:
    log = Log(tmp_path, after=0)
    for step in (1, 2, 3, 4):
        log.write(step, "train", {"손실": float(step), "nothing": float("nan")})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "split": "tr')  # killed here
    log = Log(tmp_path, after=2)
    for step in (3, 4):
        log.write(step, "train", {"손실": 10.0 * step})
    log.close()
    lines = [
        json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(line["step"], line["손실"]) for line in lines] == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]
    assert "nothing" not in lines[0]
    board = EventAccumulator(str(tmp_path)).Reload()
    assert [(point.step, point.value) for point in board.Scalars("train/손실")] == [
        (line["step"], line["손실"]) for line in lines
    ]


def test_window() -> None:
    window = Window()
    for value in (1.0, 2.0):
        window.add({"loss": torch.tensor(value), "rare": torch.tensor(3.0)} if value > 1 else {"loss": torch.tensor(value)})  # fmt: skip  # noqa: E501
    other = Window()
    other.load_state_dict(window.state_dict(), device=torch.device("cpu"))
    other.add({"loss": torch.tensor(6.0)})
    assert other.take() == {"loss": 3.0, "rare": 3.0}
    assert other.take() == {}
