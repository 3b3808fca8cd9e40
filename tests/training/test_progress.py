"""What a user sees of a run."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from ocellus.training import progress
from ocellus.training.progress import Bar, Lines, choose_show, clock, figures


def test_bar_draws_itself_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    file = io.StringIO()
    threads = threading.active_count()
    bar = Bar(100, done=10, console=Console(file=file, force_terminal=True, width=120))
    bar.update(11, {"loss": 0.5, "손실": 0.25}, speed=12.3, left=3661)
    assert threading.active_count() == threads
    bar.say("validation after step 11: mask/AP 0.1 [not markup]")
    bar.close()
    text = file.getvalue()
    assert "11/100" in text and "1:01:01 left  12.3 images/s  loss 0.5  손실 0.25" in text
    assert "validation after step 11: mask/AP 0.1 [not markup]" in text


def test_lines_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    lines = Lines(3, console=Console(file=file, width=20))
    for step in (1, 2, 3):
        lines.update(step, {"loss": 1.0}, speed=1.0, left=3 - step)
    assert file.getvalue().splitlines() == [
        "step 1/3  00:02 left  1.0 images/s  loss 1",
        "step 3/3  00:00 left  1.0 images/s  loss 1",
    ]


def test_only_the_first_process_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    silent = choose_show(3, done=0, first=False)
    silent.update(1, {}, speed=1, left=1)
    silent.say("no")
    silent.close()
    assert isinstance(choose_show(3, done=0, first=True), Lines)
    assert capsys.readouterr().err == ""


def test_words() -> None:
    assert figures({"loss": 0.123456, **{str(n): 1.0 for n in range(9)}}).split("  ")[0] == "loss 0.1235"
    assert len(figures({str(n): 1.0 for n in range(9)}).split("  ")) == 6
    assert [clock(value) for value in (0, 59.9, 61, 3600)] == ["00:00", "00:59", "01:01", "1:00:00"]
