"""Runs side by side: what differs, what is best, the same pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocellus.errors import OcellusError
from ocellus.report.compare import class_rows, metric_rows, run_names, shared_pictures, write_comparison
from ocellus.report.folder import read_run
from ocellus.report.measures import best
from ocellus.report.run import write_report
from ocellus.report.tables import differing
from tests.report.made_up import NASTY, evaluation, write_run
from tests.report.pages import Page, accessible, self_contained


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two runs that differ in one setting and share one picture."""
    first = write_run(tmp_path / "first", learning_rate=0.01)
    second = write_run(tmp_path / "second <b>", learning_rate=0.02)
    write_report(first, evaluation=evaluation(scale=1.0, samples=("a.png", "b.png")))
    write_report(second, evaluation=evaluation(scale=0.5, samples=("b.png", "c.png")))
    return [first, second]


def test_page(folders: list[Path], tmp_path: Path) -> None:
    path = write_comparison(folders, tmp_path / "both.html")
    page = Page(path)
    self_contained(page)
    accessible(page)
    assert path.name == "both.html" and "2 runs side by side" in page.text
    assert "second <b>" in page.text and "learning_rate fit 0.01 0.02" in page.text
    assert "b.png" in page.text and "a.png" not in page.text and "c.png" not in page.text
    assert len(page.all("img")) == 3  # ground truth and two answers
    labels = [svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg]
    assert "second <b> from" in labels[0] and any(
        label.startswith("Mask AP50, validation") for label in labels
    )


def test_only_what_differs_is_listed(folders: list[Path]) -> None:
    runs = [read_run(folder) for folder in folders]
    assert differing([run.settings for run in runs]) == [("fit", "learning_rate", ["0.01", "0.02"])]
    assert differing([{"fit": {"a": 1, "b": (1, 2)}}, {"fit": {"b": (1, 3)}}, {}]) == [
        ("fit", "a", ["1", "not set", "not set"]),
        ("fit", "b", ["1, 2", "1, 3", "not set"]),
    ]


def test_best_of_each_figure_is_marked(folders: list[Path]) -> None:
    rows = dict(metric_rows([read_run(folder) for folder in folders]))
    assert [cell.strong for cell in rows["mask/AP50"]] == [True, False]
    assert [cell.text for cell in rows["mask/AP50"]] == ["0.800", "0.400"]
    assert [cell.text for cell in rows["mask/AP/large"]] == ["–", "–"]
    heading, classes = class_rows([read_run(folder) for folder in folders])
    assert heading == "Mask AP" and [name for name, _ in classes] == ["cup", NASTY]


def test_lower_losses_and_times_are_better() -> None:
    assert best("mask/AP", [0.1, 0.3, 0.3, None]) == {1, 2}
    assert best("loss/mask", [0.1, 0.3]) == {0}
    assert best("seconds", [2.0, 1.0, float("nan")]) == {1}
    assert best("mask/AP", [0.5, 0.5]) == set() and best("mask/AP", [0.5, None]) == set()


def test_pictures_are_those_that_two_or_more_show(folders: list[Path]) -> None:
    rows = shared_pictures([read_run(folder) for folder in folders])
    assert [name for name, _, _ in rows] == ["b.png"]
    assert rows[0][1] is not None and all(answer is not None for answer in rows[0][2])


def test_runs_without_evaluation_or_settings(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first")
    second = write_run(tmp_path / "second")
    (second / "run.toml").unlink()
    page = Page(write_comparison([first, second], tmp_path))
    assert (tmp_path / "comparison.html").is_file()
    assert "nothing is known of the settings of second" in page.text
    assert "0.777" in page.text and "There are no pictures that two of the runs show" in page.text


def test_names_tell_the_runs_apart(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / place / "run")) for place in ("a", "b")]
    assert run_names(runs) == ["a/run", "b/run"]
    assert run_names([runs[0], runs[0]])[0].startswith("1: ")


def test_refusals(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="1 run to compare") as caught:
        write_comparison(folders[:1], tmp_path)
    assert caught.value.exit_code == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(OcellusError, match="empty holds no run"):
        write_comparison([folders[0], tmp_path / "empty"], tmp_path)
    with pytest.raises(OcellusError, match="gone is not a folder"):
        write_comparison([folders[0], tmp_path / "gone"], tmp_path)
