"""A class for every picture: from drawings to a report, lines, drawings, and what users give by mistake."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_streets import write_segmenter, write_streets

import ocellus
from ocellus import weights
from ocellus.cli import main
from ocellus.see.classifier.config import TINY
from ocellus.see.classifier.model import build
from ocellus.values import Classification

QUICK = ["--preset", "tiny", "--device", "cpu", "--precision", "32", "--log-every", "1"]
NAMES = ("lying", "round", "upright")


def write_shapes(folder: Path, *, count: int = 10) -> Path:
    """Pictures of three shapes, 30 x 40, in a folder each."""
    dice = np.random.default_rng(0)
    y, x = np.mgrid[:30, :40]
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            row, column = dice.integers(8, 22), dice.integers(10, 30)
            shape = {
                "lying": abs(y - row) < 3,
                "round": (y - row) ** 2 + (x - column) ** 2 < 36,
                "upright": abs(x - column) < 3,
            }[name]
            pixels = np.where(shape, 220, 30)[:, :, None] + dice.integers(0, 30, (30, 40, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def write_classifier(path: Path, names: tuple[str, ...] = NAMES) -> Path:
    torch.manual_seed(0)
    config = replace(TINY, classes=len(names))
    weights.save(
        path, build(config), weights.describe("see/classifier", config, labels=names, data="nothing")
    )
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set of labels, a classifier that knows nothing, and a run of some steps."""
    root = tmp_path_factory.mktemp("shapes")
    before = Path.cwd()
    os.chdir(root)
    write_shapes(Path("data"))
    write_classifier(Path("model.safetensors"))
    flags = ["--steps", "60", "--batch-size", "8", "--learning-rate", "0.003", "--warmup-steps", "5"]
    assert main(["train", "see/classifier", "data", "--out", "first", *QUICK, *flags]) == 0
    yield root
    os.chdir(before)


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints on standard output."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    """The one line of a command that fails."""
    capsys.readouterr()
    given = main([str(word) for word in words])
    error = capsys.readouterr().err.strip()
    assert given == code, error
    lines = [line for line in error.splitlines() if "looks odd" not in line]
    assert len(lines) == 1 and lines[0].startswith("ocellus: "), error
    return lines[0]


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    text = shows(capsys, "check", "data", "--view", "labels")
    assert "class_folders, 30 pictures (train 24, val 6)" in text and "ready to train on" in text
    assert re.search(r"class +train +val +pictures", text) and re.search(r"round +8 +2", text)


def test_train_leaves_a_whole_run() -> None:
    header = weights.read_header("first/best.safetensors")
    assert header.labels == NAMES and header.metrics["top1"] > 0.6
    page = Path("first/report.html").read_text(encoding="utf-8")
    assert "Classifier on data" in page and "missed</th>" not in page and "Average precision" not in page
    assert "the true one has a tick" in page and "calibration error" in page


def test_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    text = shows(capsys, "evaluate", "first", "data", "--split", "all", "--out", "ev")
    assert "data/all: 30 pictures" in text and re.search(r"top1 +\d\.\d{4}", text) and "recall/round" in text
    answer = json.loads(
        shows(capsys, "evaluate", "first", "data", "--split", "all", "--out", "ev2", "--json")
    )
    result = ocellus.evaluate("first", ocellus.read("data", view="labels"), split="all")
    assert result.metrics["top1"] == pytest.approx(answer["metrics"]["top1"])
    table = result.found.confusion
    assert table is not None and table.unit == "pictures"
    right = sum(table.counts[label][label] for label in range(len(table.names)))
    assert right / 30 == pytest.approx(result.metrics["top1"])
    examples = json.loads(Path("ev/evaluation/evaluation.json").read_text())["examples"]
    assert all("truth" not in example and "prediction" in example for example in examples)
    assert any(re.search(r"(sure|taken for)", example["note"]) for example in examples)


def test_a_limit_takes_some_of_each_class() -> None:
    found = ocellus.evaluate("first", "data", split="all", limit=6).found
    table = found.confusion
    assert found.pictures == 6 and table is not None
    truths = {name: sum(row) for name, row in zip(table.names, table.counts, strict=True)}
    assert sum(truths.values()) == 6 and all(truths.get(name) for name in NAMES)


def test_figures_are_those_of_what_run_says(capsys: pytest.CaptureFixture[str]) -> None:
    hits = []
    for name in NAMES:
        out = shows(capsys, "run", "first", f"data/{name}", "--no-out", "--json", "--precision", "32")
        hits += [json.loads(line)["label"] == name for line in out.splitlines()]
    words = ["evaluate", "first", "data", "--split", "all", "--out", "ev3", "--json", "--precision", "32"]
    assert json.loads(shows(capsys, *words))["metrics"]["top1"] == pytest.approx(np.mean(hits))


def test_run_says_lists_and_draws(capsys: pytest.CaptureFixture[str]) -> None:
    line = shows(capsys, "run", "first", "data/round/0.png", "--out", "out")
    assert re.fullmatch(
        r"data/round/0.png: ((lying|round|upright) (\d+ %|\d\.\d %|under 0\.1 %)(, )?)+ \(\d+\.\d\d s\)\n",
        line,
    ), line
    facts = json.loads(Path("out/found.jsonl").read_text())
    assert facts["size"] == [30, 40] and facts["label"] in NAMES
    assert sum(facts["classes"].values()) == pytest.approx(1, abs=1e-5)
    with Image.open("out/0.jpg") as drawn:
        assert drawn.width == 320 and drawn.height > 240


def test_run_on_many_pictures_of_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("some.npz", images=np.zeros((3, 28, 28), np.uint8))
    lines = shows(capsys, "run", "model.safetensors", "some.npz", "--out", "many").splitlines()
    assert len(lines) == 3 and lines[2].startswith("some.npz#2: ")
    assert {path.name for path in Path("many").iterdir()} == {
        "found.jsonl", "some-0.jpg", "some-1.jpg", "some-2.jpg"
    }  # fmt: skip


def test_from_python() -> None:
    model = ocellus.load("first")
    found = model("data/lying/3.png")
    assert isinstance(found, Classification) and found.picture is not None and found.names == NAMES
    assert "lying" in found._repr_html_()
    (answer,) = ocellus.run(model, "data/lying/3.png")
    assert answer.value.picture is None and "<image" in answer._repr_html_()


def test_classes_by_name_and_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that calls one class in twenty by another name, but by the model's number."""
    names = tuple(f"thing {number}" for number in range(20))
    write_classifier(Path("twenty.safetensors"), names)
    rows = [f"data/lying/0.png,{name},{number}" for number, name in enumerate(names)]
    rows[7] = "data/lying/0.png,seventh,7"
    Path("table.csv").write_text("\n".join(["file,label,class_index", *rows]))
    capsys.readouterr()
    assert (
        main(["evaluate", "twenty.safetensors", "table.csv", "--split", "all", "--out", "t", "--json"]) == 0
    )
    shown = capsys.readouterr()
    assert "class 7 of table.csv, seventh, is the model's thing 7" in shown.err
    assert json.loads(shown.out)["metrics"]["top1"] == pytest.approx(1 / 20)
    Path("table.csv").write_text("\n".join(["file,label", *(row.rpartition(",")[0] for row in rows)]))
    line = refused(capsys, "evaluate", "twenty.safetensors", "table.csv", "--split", "all")
    assert "does not know seventh (1 of the 20 classes" in line


def test_mistakes_of_users(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "run", "first", "data/round", "--maps", "--no-out", code=2)
    assert "says what a picture shows as a whole, it does not give every pixel a class" in line
    words = ["evaluate", "first", "data", "--boundaries"]
    assert "--boundaries is for classes of pixels" in refused(capsys, *words, code=2)
    with pytest.raises(ocellus.OcellusError, match=r'ocellus.read\(path, view="labels"\)'):
        ocellus.train("see/classifier", ocellus.read("data"), out="never", preset="tiny")
    write_streets(Path("streets"))
    line = refused(capsys, "train", "see/unet", ocellus.read("data").root, "--out", "never", *QUICK)
    assert "has no annotated classes" in line
    write_segmenter(Path("unet.safetensors"))
    line = refused(capsys, "train", "see/classifier", "data", "--start", "unet.safetensors", *QUICK)
    assert "holds weights of see/unet, not of see/classifier" in line
    line = refused(capsys, "train", "see/classifier", "streets/masks/0.png", *QUICK)
    assert "of no known kind; wanted are a folder of pictures for each class" in line
    assert not Path("never").exists()


def test_start_with_other_classes(capsys: pytest.CaptureFixture[str]) -> None:
    write_classifier(Path("two.safetensors"), ("a", "b"))
    start = ["--start", "two.safetensors", "--out", "started", "--steps", "2", *QUICK]
    out = shows(capsys, "train", "see/classifier", "data", *start)
    assert "knows a, b; the 2 tensors for other classes start anew" in out


def test_a_broken_picture_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    write_shapes(Path("broken"), count=2)
    Path("broken/round/9.jpg").write_bytes(b"not a picture")
    line = refused(capsys, "train", "see/classifier", "broken", "--out", "never", *QUICK)
    assert "round/9.jpg" in line and "--view labels" in line
