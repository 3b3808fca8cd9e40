"""The demonstration from scenes to report, made short; what it achieves in full length is in the README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocellus import weights
from ocellus.cli import main
from ocellus.errors import OcellusError
from ocellus.jobs import demo as demonstration
from ocellus.jobs.demo import demo, look
from ocellus.jobs.model import load
from ocellus.jobs.photographs import COINS, VIEWS
from ocellus.jobs.shipped import ZOO


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "SCENES", 3)
    monkeypatch.setattr(demonstration, "HELD_OUT", 2)


def test_from_scenes_to_report(short: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "runs" / "demo"
    assert main(["demo", "--steps", "2", "--out", str(folder)]) == 0
    last = capsys.readouterr().out.splitlines()[-4:]
    assert last[0].startswith("coins found ") and f" of {len(COINS)}, false " in last[0]
    assert last[1].startswith("AP ") and last[2].startswith("seconds ")
    assert last[3] == f"report {folder / 'report.html'}"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Coins, turned by 90 degrees" in page and "Coffee" in page
    header = weights.read_header(folder / "best.safetensors")
    assert header.labels == ("disc", "ring", "box", "triangle", "star", "cross")
    assert "It has seen no photograph" in header.notes
    # Once more: the earlier demonstration makes way, and what is printed is JSON alone.
    marker = folder / "marker"
    marker.write_text("")
    assert main(["demo", "--steps", "1", "--out", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["coins"]) == set(VIEWS) and not marker.exists()


def test_a_folder_with_something_else_is_left_alone(short: None, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OcellusError, match="no demonstration") as caught:
        demo(steps=1, out=tmp_path)
    assert caught.value.exit_code == 2 and (tmp_path / "mine.txt").read_text() == "mine"
    beside = tmp_path / "run-scenes"
    beside.mkdir()
    (beside / "mine.txt").write_text("mine")
    with pytest.raises(OcellusError, match="no demonstration"):
        demo(steps=1, out=tmp_path / "run")
    assert (beside / "mine.txt").read_text() == "mine"


def test_after_an_interruption(
    short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"

    def stop(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demonstration, "train_settings", stop)
        assert main(["demo", "--out", str(folder)]) == 130  # the scenes are drawn, no run has begun
    with monkeypatch.context() as patch:
        patch.setattr(demonstration, "evaluate", stop)
        assert main(["demo", "--steps", "1", "--seed", "4", "--out", str(folder)]) == 130
    capsys.readouterr()
    assert main(["demo", "--resume", "--out", str(folder)]) == 0
    assert "coins found" in capsys.readouterr().out
    assert "seed = 4" in (folder / "run.toml").read_text()


def test_the_shipped_weights_find_the_coins() -> None:
    file = ZOO / "mask_rcnn-scenes.safetensors"
    assert file.stat().st_size <= 8_000_000
    counts, shown = look(load(file))
    for view, (found, false) in counts.items():
        assert found >= 20 and false <= 4, view
    assert len(shown) == len(VIEWS) + 2
