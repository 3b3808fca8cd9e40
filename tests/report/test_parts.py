"""Charts, figures and the choice of pictures, each by itself."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import torch

from ocellus.metrics.average_precision import AveragePrecision
from ocellus.report.charts import POINTS, Line, line_chart, smoothed, thinned, ticks
from ocellus.report.evaluation import Confusion, precision_curves
from ocellus.report.gallery import FALSE_COLOR, Gallery, matched_colors
from ocellus.report.measures import number, of_class, overall, per_class, title
from ocellus.report.tables import confused_pairs, confusion_rows, overall_rows
from ocellus.values import Instances
from ocellus.values.html import color
from tests.report.made_up import flat


def points(chart: str) -> Iterator[list[tuple[float, float]]]:
    for path in re.findall(r'd="M([^"]+)"', chart):
        yield [tuple(map(float, pair.split())) for pair in path.split("L")]  # type: ignore[misc]


def test_line_goes_where_the_values_are() -> None:
    chart = line_chart(
        [Line(name="a", x=[0, 50, 100], y=[0.0, 0.5, 1.0])],
        title="T", x_label="x", y_range=(0, 1), x_range=(0, 100),
    )  # fmt: skip
    ((first, middle, last),) = points(chart)
    assert middle[0] == pytest.approx((first[0] + last[0]) / 2, abs=0.1)
    assert middle[1] == pytest.approx((first[1] + last[1]) / 2, abs=0.1)
    assert first[1] > last[1] and last[0] > first[0]  # y grows downwards in SVG
    ElementTree.fromstring(str(chart))


def test_gaps_split_the_line_and_names_are_escaped() -> None:
    nan = float("nan")
    chart = line_chart([Line(name="<a>&", x=range(7), y=[1, 2, nan, 3, nan, 4, 5])], title='"T"', x_label="x")
    assert [len(piece) for piece in points(chart)] == [2, 2]
    assert chart.count("<circle") == 5  # a point alone, and dots on the short pieces
    ElementTree.fromstring(str(chart))


def test_nothing_finite_gives_no_chart() -> None:
    assert line_chart([Line(name="a", x=[1, 2], y=[float("nan")] * 2)], title="T", x_label="x") == ""
    assert line_chart([], title="T", x_label="x") == ""


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0], [0.0, 0.0], [-1.0, 1e-9], [1e9, 2e9], [1e-7, 3e-7]])
def test_odd_ranges_are_drawn(values: list[float]) -> None:
    chart = line_chart([Line(name="a", x=range(len(values)), y=values)], title="T", x_label="x")
    assert "nan" not in chart.lower() and "inf" not in chart.lower()
    ElementTree.fromstring(str(chart))


@pytest.mark.parametrize("low, high", [(0, 1), (0, 0.037), (3, 999), (-2.5, 2.5), (1e6, 5e6), (0, 600)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 3 <= len(marks) <= 7 and low <= marks[0] and marks[-1] <= high * 1.000001
    steps = {round((b - a) / (high - low), 9) for a, b in itertools.pairwise(marks)}
    assert len(steps) == 1


def test_thinning_keeps_the_mean_and_smoothing_the_level() -> None:
    y = [math.sin(index / 50) for index in range(5000)]
    x, thin = thinned(range(5000), y)
    assert len(x) <= POINTS and sum(thin) / len(thin) == pytest.approx(sum(y) / len(y), abs=1e-3)
    assert smoothed([1.0] * 50) == [1.0] * 50
    assert smoothed([1.0, float("nan"), 3.0] * 10, share=0.1)[2] == 2.0


def test_spike_does_not_flatten_the_curve() -> None:
    chart = line_chart([Line(name="a", x=range(200), y=[1000.0] + [1.0] * 199)], title="T", x_label="x")
    assert "1000" not in re.findall(r'text-anchor="end">([^<]+)', chart)


def test_figures_of_classes_sizes_and_all_are_told_apart() -> None:
    assert of_class("mask/AP/cell") == ("mask/AP", "cell") and of_class("mask/AP50/a/b") == (
        "mask/AP50",
        "a/b",
    )
    assert of_class("mask/AP/small (class)") == ("mask/AP", "small")
    for name in ("mask/AP", "box/AP/small", "box/AR/100", "keypoint/AR/20", "loss/rpn/box", "seconds"):
        assert of_class(name) is None
    accumulator = AveragePrecision(("cup", "small", "100"))
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    truth = Instances(size=(20, 20), boxes=boxes, labels=torch.arange(3))
    found = Instances(
        size=(20, 20), boxes=boxes, labels=torch.arange(3), scores=torch.tensor([0.9, 0.8, 0.7])
    )
    accumulator.add(found, truth)
    columns, rows = per_class(accumulator.result())
    assert set(rows) == {"cup", "small", "100"} and columns == ["box/AP", "box/AP50"]
    assert list(overall(accumulator.result()))[:2] == ["box/AP", "box/AP50"]
    heads, table = overall_rows(accumulator.result())
    assert heads == ["Box"] and table[0][0] == "AP" and table[0][2][0].text == "1.000"
    curves = precision_curves(accumulator.curves())
    assert [curve.name for curve in curves] == ["all classes", "cup", "small", "100"]
    assert curves[0].precision[50] == pytest.approx(1.0) and len(curves[0].recall) == 101


def test_numbers_and_titles_for_readers() -> None:
    assert [number(v) for v in (0.12345, 1.0, 24.0, 12345.0, float("nan"), -1.0)] == [
        *("0.123", "1.000", "24", "12,345", "–", "-1.000"),
    ]
    assert title("mask/AP/small") == "Mask AP small" and title("loss/rpn_box") == "rpn box"


def test_confusion_shades_by_row_and_lists_the_worst_first() -> None:
    confusion = Confusion(names=("a", "b"), counts=((8, 2, 0), (0, 5, 5), (1, 0, 0)))
    rows = confusion_rows(confusion)
    assert [cell.share for cell in rows[0].cells] == [0.8, 0.2, 0.0] and rows[0].cells[0].strong
    assert rows[2].cells[0].share == 0.1 and rows[2].cells[2].text == ""
    assert rows[1].cells[2].hint == "b taken for nothing: 5"
    assert confused_pairs(confusion) == [("a", "b", 2)]


def boxed(*boxes: tuple[float, ...], scores: list[float] | None = None) -> Instances:
    return Instances(
        size=(40, 60),
        boxes=torch.tensor(boxes).reshape(-1, 4),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        scores=None if scores is None else torch.tensor(scores),
        names=("cup",),
    )


def test_gallery_keeps_best_worst_and_the_same_samples() -> None:
    def names(order: list[int], shift: float) -> dict[str, list[str]]:
        gallery = Gallery(best=2, worst=2, samples=2)
        for index in order:
            score = float("nan") if index == 0 else (index * 7 % 10) / 10 + shift
            gallery.add(
                f"{index}.png", score, picture=flat(index), prediction=boxed(scores=[]), truth=boxed()
            )
        shown: dict[str, list[str]] = {}
        for example in gallery.examples():
            shown.setdefault(example.why, []).append(example.name)
        return shown

    found = names(list(range(10)), 0.0)
    assert found["best"] == ["7.png", "4.png"] and found["worst"] == ["3.png", "6.png"]
    assert names(list(range(9, -1, -1)), 0.0) == found
    other = names(list(range(10)), 0.01)
    everything = {name for kind in other.values() for name in kind}
    assert set(found.get("sample", [])) <= everything


def test_gallery_draws_truth_and_what_is_sure_enough() -> None:
    gallery = Gallery(best=1, worst=0, samples=0)
    truth = boxed((5, 5, 30, 30))
    gallery.add("a.png", 1.0, picture=flat(0), prediction=boxed((5, 5, 30, 30), scores=[0.3]), truth=truth)
    (example,) = gallery.examples()
    assert example.truth is not None and int(example.truth.pixels.max()) > 0
    assert int(example.prediction.pixels.max()) == 0
    assert example.prediction.size == (80, 120)


def test_found_objects_have_the_color_of_what_they_found() -> None:
    truth = boxed((0, 0, 10, 10), (20, 0, 30, 10))
    found = boxed(
        (40, 0, 50, 10), (21, 0, 31, 10), (20, 0, 30, 10), (0, 0, 10, 9), scores=[0.9, 0.5, 0.8, 0.7]
    )
    assert matched_colors(truth, found) == [FALSE_COLOR, FALSE_COLOR, color(1), color(0)]
    assert matched_colors(boxed(), found) == [FALSE_COLOR] * 4
    assert matched_colors(truth, boxed(scores=[])) == []
