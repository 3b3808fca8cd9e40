"""The page of a run: whole, safe, and there whatever is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from ocellus.errors import OcellusError
from ocellus.report import evaluation as evaluations
from ocellus.report.evaluation import Confusion, Photograph
from ocellus.report.run import write_report
from ocellus.values import Picture
from tests.report.made_up import NASTY, evaluation, flat, write_run
from tests.report.pages import Page, accessible, self_contained


def test_page_of_a_whole_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    photographs = [Photograph(picture=flat(120), title="Coins <i>", caption="24 of 24")]
    path = write_report(folder, evaluation=evaluation(), photographs=photographs)
    assert path == folder / "report.html"
    page = Page(path)
    self_contained(page)
    accessible(page)
    for words in (
        *("Mask R-CNN on cups", "0.800", "Mask AP50", "200 ms", "400 steps", "CC0 <data>", "knows cups only"),
        *(
            "Coins <i>",
            "24 of 24",
            "a.png",
            "3 of 5 found",
            "learning_rate",
            "A rule.",
            "missed",
            "7 pictures",
        ),
    ):
        assert words in page.text or words.replace(" steps", "") in page.text, words
    assert len(page.all("img")) == 5
    labels = [svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg]
    assert [label.split(":")[0] for label in labels] == [
        *("Loss", "Validation", "Terms of the loss", "Learning rate", "Precision over recall"),
    ]
    assert "training from 4 to 0.1" in labels[0]


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    path = write_report(write_run(tmp_path / "run"), evaluation=evaluation())
    page = Page(path)
    assert not page.all("b") or all(not attributes for attributes in page.all("b"))
    assert "<b>컵" not in page.source and NASTY in page.text and "49" not in page.text.split(NASTY)[1][:20]
    hints = [attributes.get("title", "") for attributes in page.all("td")]
    assert f"cup taken for {NASTY}: 2" in hints


def test_nothing_but_an_empty_folder(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path))
    accessible(page)
    for sentence in (
        *("Nothing has been recorded here yet.", "The folder says nothing about a model", "No step has been"),
        *("Nothing has been measured yet", "Not counted yet", "No pictures yet", "There is no run.toml"),
    ):
        assert sentence in page.text.replace("  ", " "), sentence


def test_run_that_has_not_validated_yet(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "best.safetensors").unlink()
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join(line for line in lines if '"train"' in line))
    page = Page(write_report(folder))
    assert "they are written after the first validation" in page.text
    assert "Nothing has been measured yet" in page.text and "Loss" in page.text


def test_broken_lines_and_values_that_are_no_numbers(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    rows = [
        '{"step": 10, "split": "train", "loss": 2.0}',
        '{"step": 20, "split": "train", "loss": NaN}',
        '{"step": 30, "split": "train", "loss": Infinity, "note": "text", "flag": true}',
        '{"step": 40, "split": "train", "loss": 1.0}',
        '{"step": 40, "split": "val", "mask/AP50": null}',
        '{"no step": 1}',
        "[1, 2]",
        '{"step": 50, "split": "tra',
    ]
    (folder / "metrics.jsonl").write_text("\n".join(rows))
    page = Page(write_report(folder))
    assert "3 lines of metrics.jsonl could not be read" in page.text
    assert "3 recorded values are not finite numbers" in page.text
    assert "nan" not in page.source.lower().replace("finance", "")


def test_all_values_not_finite(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "split": "train", "loss": NaN}\n')
    found = evaluation(metrics={"mask/AP": float("nan"), "mask/AP/cup": float("nan")}, curves=(), examples=())
    page = Page(write_report(tmp_path, evaluation=found))
    assert "holds no finite values" in page.text and "–" in page.text


def test_empty_history_and_damaged_weights(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "metrics.jsonl").write_text("")
    (folder / "best.safetensors").write_bytes(b"rubbish of some length")
    page = Page(write_report(folder))
    assert "The weights could not be read" in page.text and "No step has been recorded" in page.text
    assert "Mask R-CNN on cups" in page.text  # from run.toml


def test_evaluation_is_kept_and_used_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    given = evaluation()
    write_report(folder, evaluation=given)
    kept = evaluations.load(folder)
    assert kept is not None and kept.confusion is not None and given.confusion is not None
    assert kept.confusion.counts == given.confusion.counts and kept.curves[0].precision == (1.0, 0.9, 0.2)
    assert kept.metrics["mask/AP"] == given.metrics["mask/AP"]
    assert [example.name for example in kept.examples] == ["a.png", "b.png"]
    assert kept.examples[0].truth is not None
    close = (kept.examples[0].truth.pixels.int() - 40).abs().max()
    assert close <= 3  # JPEG
    assert "3 of 5 found" in Page(write_report(folder)).text
    write_report(folder, evaluation=evaluation(samples=("z.png",)))
    assert len(list((folder / "evaluation").glob("*.jpg"))) == 2  # the old pictures are gone


def test_tensors_and_arrays_among_the_figures_are_kept(tmp_path: Path) -> None:
    counts = torch.tensor([[5, 1], [2, 0]])
    rows = tuple(tuple(row) for row in counts)
    found = evaluation(
        metrics={"mask/AP": torch.tensor(0.5)}, confusion=Confusion(names=("cup",), counts=rows)
    )
    write_report(tmp_path, evaluation=found)
    kept = evaluations.load(tmp_path)
    assert kept is not None and kept.metrics == {"mask/AP": 0.5}
    assert kept.confusion is not None and kept.confusion.counts == ((5, 1), (2, 0))


def test_damaged_evaluation_says_how_to_mend_it(tmp_path: Path) -> None:
    write_report(tmp_path, evaluation=evaluation())
    place = tmp_path / "evaluation" / "evaluation.json"
    place.write_text(place.read_text()[:50])
    with pytest.raises(OcellusError, match=r"evaluation\.json is damaged .*ocellus evaluate"):
        write_report(tmp_path)


def test_many_classes_list_the_worst_confusions(tmp_path: Path) -> None:
    names = tuple(f"class {index}" for index in range(40))
    counts = [[0] * 41 for _ in range(41)]
    counts[3][4], counts[8][9] = 17, 99
    metrics = {f"mask/AP/{name}": 0.5 for name in names} | {"mask/AP": 0.5}
    confusion = Confusion(names=names, counts=tuple(map(tuple, counts)))
    page = Page(write_report(tmp_path, evaluation=evaluation(metrics=metrics, confusion=confusion)))
    accessible(page)
    assert page.text.index("class 8 class 9 99".replace(" ", " ")) < page.text.index("class 3 class 4 17")


def test_page_stays_small_whatever_the_pictures(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    noisy = [
        Picture(pixels=torch.randint(0, 256, (3, 700, 900), generator=generator, dtype=torch.uint8))
        for _ in range(30)
    ]
    photographs = [Photograph(picture=picture, title="noise") for picture in noisy]
    path = write_report(tmp_path, photographs=photographs)
    assert path.stat().st_size < 3_000_000
    assert len(Page(path).all("img")) == 30


def test_missing_folder_and_broken_settings(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="nowhere is not a folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "run.toml").write_text("[run\nsystem = 1")
    with pytest.raises(OcellusError, match=r"run\.toml is not TOML"):
        write_report(tmp_path)


def test_unknown_system_and_loose_settings(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'seed = 3\n[run]\nsystem = "see/gone"\n[fit]\nrates = [0.1, 0.25]\non = true\n'
    )
    page = Page(write_report(tmp_path))
    assert "seed 3" in page.text and "0.1, 0.25" in page.text and "yes" in page.text
    assert "A run" in page.text


@pytest.mark.skipif(os.name == "nt" or not Path("/dev/full").exists(), reason="no /dev/full here")
def test_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "report.html.writing").symlink_to("/dev/full")
    with pytest.raises(OcellusError, match=r"report\.html cannot be written \(No space left"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_steps_written_twice_count_once(tmp_path: Path) -> None:
    rows = [{"step": s, "split": "train", "loss": v} for s, v in ((20, 2.0), (10, 3.0), (20, 1.5), (10, 2.5))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = Page(write_report(tmp_path))
    label = next(svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg)
    assert label == "Loss: training from 2.5 to 1.5"
