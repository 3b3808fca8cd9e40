"""Pages of models that give every pixel a class."""

from __future__ import annotations

import re
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch
from made_up import NASTY, flat

from ocellus.report import evaluation as evaluations
from ocellus.report import measures, tables
from ocellus.report.compare import class_rows, metric_rows, write_comparison
from ocellus.report.evaluation import Confusion, Evaluation
from ocellus.report.folder import read_run
from ocellus.report.gallery import Gallery
from ocellus.report.pixels import draw_example
from ocellus.report.run import write_report
from ocellus.values import Segmentation

NAMES = ("road", NASTY, "fog")
COLORS = ((128, 64, 128), (0, 0, 255), (9, 9, 9))
REASON = "the truth has no pixel of fog; 7 pixels were taken for it"


def labels(value: int) -> Segmentation:
    return Segmentation(
        labels=torch.full((40, 60), value, dtype=torch.uint8),
        confidence=torch.full((40, 60), 0.9, dtype=torch.float16),
        names=NAMES,
    )


def found(*, scale: float = 1.0) -> Evaluation:
    gallery: Gallery[Segmentation] = Gallery(draw=draw_example)
    for number in range(3):
        gallery.add(
            f"{number}.png", number / 3, picture=flat(90), prediction=labels(0), truth=labels(number % 2)
        )
    metrics = {"mIoU": 0.6 * scale, "pixel_accuracy": 0.9, "Dice": 0.7}
    metrics |= {"IoU/road": 0.8, f"IoU/{NASTY}": 0.4 * scale, "IoU/fog": nan, "Dice/road": 0.88}
    return Evaluation(
        metrics=metrics,
        data="streets",
        split="val",
        pictures=3,
        confusion=Confusion(names=NAMES, counts=((900, 99, 1), (50, 50, 0), (0, 0, 0)), rule="Shares."),
        examples=gallery.examples(),
        reasons={"IoU/fog": REASON},
        colors=COLORS,
    )


def test_an_evaluation_is_kept_whole(tmp_path: Path) -> None:
    evaluations.save(found(), tmp_path)
    again = evaluations.load(tmp_path)
    assert again is not None and again.confusion is not None and again.confusion.of_pixels
    assert again.reasons == {"IoU/fog": REASON} and again.colors == COLORS
    assert [example.mistakes is not None for example in again.examples] == [True] * 3
    assert len(list((tmp_path / "evaluation").glob("*-mistakes.jpg"))) == 3


def test_the_page_has_no_row_for_what_is_not_there(tmp_path: Path) -> None:
    text = write_report(tmp_path, evaluation=found()).read_text(encoding="utf-8")
    assert "missed</th>" not in text and "nothing there" not in text and NASTY not in text
    assert REASON in text and "rgb(128 64 128)" in text
    assert text.count(">Mistakes</figcaption>") == 3 and "wrong (red)" in text
    cells = re.findall(r'<td( class="right")? style="--share:[\d.]+" title="[^"]*">([^<]*)</td>', text)
    assert [cell for _, cell in cells] == ["90.0", "9.9", "0.1", "50.0", "50.0", "", "–", "–", "–"]
    assert [place for place, (strong, _) in enumerate(cells) if strong] == [0, 4, 8]
    assert "intersection over union of each class&#39;s pixels" in text or "each class's pixels" in text


def test_objects_keep_their_last_row() -> None:
    table = Confusion(names=("a",), counts=((3, 1), (2, 0)))
    assert not table.of_pixels
    assert [row.name for row in tables.confusion_rows(table)] == ["a", "nothing there"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("IoU/road", ("IoU", "road")),
        ("boundary_IoU/traffic/light", ("boundary_IoU", "traffic/light")),
        ("mIoU", None),
        ("Dice", None),
        ("mask/AP/cell", ("mask/AP", "cell")),
        ("mask/AP/small", None),
    ],
)
def test_figures_of_classes(name: str, wanted: tuple[str, str] | None) -> None:
    assert measures.of_class(name) == wanted


def test_mean_iou_comes_first() -> None:
    metrics = dict(found().metrics)
    assert list(measures.overall(metrics)) == ["mIoU", "pixel_accuracy", "Dice"]
    columns, rows = tables.class_rows(metrics, NAMES, colors=COLORS, reasons={"IoU/fog": REASON})
    assert columns == ["IoU", "Dice"] and [row.name for row in rows] == list(NAMES)
    assert rows[2].cells[0].hint == REASON and rows[0].paint == "rgb(128 64 128)"


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    for name, scale in (("a", 1.0), ("b", 0.5)):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, evaluation=found(scale=scale))
    runs = [read_run(tmp_path / name) for name in ("a", "b")]
    rows = dict(metric_rows(runs))
    assert [cell.strong for cell in rows["mIoU"]] == [True, False]
    title, classes = class_rows(runs)
    assert title == "IoU" and [name for name, _ in classes] == list(NAMES)
    text = write_comparison([tmp_path / "a", tmp_path / "b"], tmp_path).read_text(encoding="utf-8")
    assert "0.600" in text and "0.300" in text and "1.png" in text


def test_without_a_truth_the_third_picture_is_what_is_unsure() -> None:
    gallery: Gallery[Segmentation] = Gallery(draw=draw_example)
    gallery.add("a.png", nan, picture=flat(90), prediction=labels(0))
    (example,) = gallery.examples()
    assert example.truth is None and example.mistakes is not None
    sure = replace(labels(0), confidence=torch.ones(40, 60, dtype=torch.float16))
    gallery.add("b.png", nan, picture=flat(90), prediction=sure)
    dark = {shown.name: shown.mistakes for shown in gallery.examples()}["b.png"]
    assert dark is not None and int(dark.pixels.max()) < int(example.mistakes.pixels.max())
