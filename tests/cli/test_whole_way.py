"""The whole way of a user, from pictures on disk to a report, by command and from Python."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_world import NAMES, QUICK, write_coco, write_model, write_video
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

import ocellus
from ocellus.cli import main
from ocellus.values import Instances, Masks, Picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set, a model that finds ten things anywhere, and a run of three steps."""
    root = tmp_path_factory.mktemp("world")
    before = Path.cwd()
    os.chdir(root)
    write_coco(Path("data"))
    write_model(Path("model.safetensors"))
    assert main(["train", "see/mask_rcnn", "data", "--out", "first", "--steps", "3", *QUICK]) == 0
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


def strict(text: str) -> Any:
    """JSON as every reader understands it, without NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert "ready to train on: 0 to mend" in shows(capsys, "check", "data")
    answer = strict(shows(capsys, "check", "data", "--json"))
    assert answer["pictures"] == {"train": 5, "val": 1} and answer["objects"]["train"] == {
        "disc": 5,
        "box": 5,
    }


def test_train_leaves_a_whole_run() -> None:
    held = {path.name for path in Path("first").iterdir() if "tfevents" not in path.name}
    assert held == {
        "best.safetensors", "last.ckpt", "previous.ckpt", "metrics.jsonl", "report.html", "run.toml",
        "evaluation",
    }  # fmt: skip
    assert any("tfevents" in path.name for path in Path("first").iterdir())
    settings = tomllib.loads(Path("first/run.toml").read_text())
    assert settings["run"]["system"] == "see/mask_rcnn" and settings["run"]["data"] == "data"
    assert settings["config"]["classes"] == 2 and settings["fit"]["steps"] == 3
    assert "<svg" in Path("first/report.html").read_text()


def test_a_run_is_repeated_bit_by_bit(capsys: pytest.CaptureFixture[str]) -> None:
    answer = strict(shows(capsys, "train", "--from", "first/run.toml", "--out", "again", "--json"))
    assert answer["weights"] == "again/best.safetensors" and answer["metrics"]["mask/AP/large"] is None
    assert Path("first/run.toml").read_text() == Path("again/run.toml").read_text()
    one, two = (torch.load(f"{run}/last.ckpt")["recipe"] for run in ("first", "again"))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    one, two = (load_file(f"{run}/best.safetensors") for run in ("first", "again"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    text = shows(capsys, "evaluate", "first", "data", "--split", "train")
    assert "5 pictures" in text and re.search(r"mask/AP +0\.\d{4}", text) and "nothing to measure" in text
    answer = strict(shows(capsys, "evaluate", "first/best.safetensors", "data", "--json", "--limit", "1"))
    assert answer["pictures"] == 1 and answer["report"] == "runs/evaluation-first/report.html"
    answer = strict(shows(capsys, "evaluate", "first/best.safetensors", "data", "--json"))
    assert answer["report"] == "runs/evaluation-first-2/report.html"  # the one before is kept
    assert Path(answer["report"]).is_file() and "mask/AP50" in answer["metrics"]


def test_run_on_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: Path
) -> None:
    model = "model.safetensors"
    assert re.fullmatch(r"data/0.png: .* \(\d+\.\d\d s\)\n", shows(capsys, "run", model, "data/0.png"))
    assert Path("runs/found-model/0.jpg").is_file()
    folder = shows(capsys, "run", model, "data", "--no-out", "--json").splitlines()
    assert [strict(line)["picture"] for line in folder] == [f"data/{index}.png" for index in range(6)]
    assert len(shows(capsys, "run", model, "data/[0-2].png", "--no-out").splitlines()) == 3
    write_video(Path("clip.avi"), frames=2)
    shows(capsys, "run", model, "clip.avi", "--out", "clip")
    assert {path.name for path in Path("clip").iterdir()} == {"clip.mp4", "found.jsonl"}
    monkeypatch.setattr(sys, "stdin", io.StringIO("data/1.png\n\nclip.avi\n"))
    lines = shows(capsys, "run", model, "-", "--no-out", "--json", "--score", "0").splitlines()
    assert [strict(line)["picture"] for line in lines] == ["data/1.png", "clip.avi#0", "clip.avi#1"]
    found = strict(lines[0])["objects"]
    assert len(found) == 10 and {"label", "box", "score", "mask"} == set(found[0])
    assert found[0]["label"] in NAMES and found[0]["mask"]["size"] == [48, 64]


def test_compare(capsys: pytest.CaptureFixture[str]) -> None:
    shows(capsys, "train", "--from", "first/run.toml", "--out", "other", "--learning-rate", "0.002")
    text = shows(capsys, "compare", "first", "other", "--out", "page.html")
    assert "fit.learning_rate: 0.001 | 0.002" in text and "page page.html" in text
    rows = [line for line in text.splitlines() if line.startswith(("mask/", "box/"))]
    assert len({len(row) for row in rows}) == 1, "the columns stand below each other"
    answer = strict(shows(capsys, "compare", "first", "other", "--json"))
    assert answer["settings"] == {"fit.learning_rate": ["0.001", "0.002"]}
    assert set(answer["metrics"]) == {"first", "other"} and "<svg" in Path("page.html").read_text()


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    facts = strict(shows(capsys, "info", "first", "--json"))
    assert facts["labels"] == list(NAMES) and facts["data"] == "data: 5 pictures (coco)"
    text = shows(capsys, "info", "first", "--layers", "--depth", "1", "--size", "64", "64")
    rows = [line.split()[0] for line in text.splitlines()[-5:]]
    assert rows == ["backbone", "pyramid", "proposer", "box", "mask"]
    total = int(text.splitlines()[-6].split()[-2].replace(",", ""))
    assert total == sum(tensor.numel() for tensor in load_file("first/best.safetensors").values())


def test_import(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    theirs = MaskRCNN(backbone, num_classes=3)
    theirs.roi_heads.box_head = TwoMLPHead(256 * 49, 32)
    theirs.roi_heads.box_predictor = FastRCNNPredictor(32, 3)
    torch.save(theirs.state_dict(), "theirs.pth")
    Path("names.txt").write_text("컵\nbowl\n", encoding="utf-8")
    words = ["--names", "names.txt", "--licence", "BSD-3-Clause"]
    words += ["--set", "short_side=64", "--set", "long_side=128"]
    text = shows(capsys, "import", "see/mask_rcnn", "theirs.pth", *words)
    assert text.startswith("theirs.safetensors: see/mask_rcnn, 2 classes")
    facts = strict(shows(capsys, "info", "theirs.safetensors", "--json"))
    assert facts["labels"] == ["컵", "bowl"] and facts["licence"] == "BSD-3-Clause"
    flags = ["--no-out", "--json", "--score", "0"]
    answer = strict(shows(capsys, "run", "theirs.safetensors", "data/0.png", *flags))
    assert {found["label"] for found in answer["objects"]} <= {"컵", "bowl"}
    for wrong in ("short_side=many", "short=3", "short_side"):
        words = ["--set", wrong, "--out", "wrong.safetensors"]
        assert main(["import", "see/mask_rcnn", "theirs.pth", *words]) == 2
    assert not Path("wrong.safetensors").exists()


def test_interrupted_and_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130 and one line; the run goes on with its own settings."""
    words = ["train", "see/mask_rcnn", "data", "--out", "stopped", "--steps", "2000", *QUICK]
    process = subprocess.Popen(
        [sys.executable, "-m", "ocellus", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("validation"):
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    lines = [line for line in error.splitlines() if line.startswith("ocellus: ")]
    told = re.fullmatch(
        r"ocellus: stopped by Ctrl-C; stopped/last.ckpt holds step (\d+) of 2000: the same command with "
        "--resume goes on from there",
        error.splitlines()[-1],
    )
    assert told and len(lines) == 1 and "Traceback" not in error
    step = int(told[1])
    assert main(["train", *words[1:]]) == 2  # without --resume it is not touched
    shows(capsys, "train", "see/mask_rcnn", "data", "--resume", "--out", "stopped", "--steps", str(step + 2))
    rows = [json.loads(line) for line in Path("stopped/metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if row["split"] == "train"]
    assert steps == list(range(1, step + 3))
    fit = tomllib.loads(Path("stopped/run.toml").read_text())["fit"]
    assert fit["batch_size"] == 2 and fit["steps"] == step + 2  # its own, not those of the preset small


def test_resume_finds_the_run_where_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    shows(capsys, "train", "see/mask_rcnn", "data", "--steps", "2", *QUICK)
    assert Path("runs/mask_rcnn-data/run.toml").is_file()
    text = shows(capsys, "train", "see/mask_rcnn", "data", "--steps", "3", "--resume")
    assert text == "weights runs/mask_rcnn-data/best.safetensors\nreport  runs/mask_rcnn-data/report.html\n"
    settings = tomllib.loads(Path("runs/mask_rcnn-data/run.toml").read_text())
    assert settings["config"]["width"] == 8 and settings["fit"]["steps"] == 3


def test_list_and_demo_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = [card["name"] for card in strict(shows(capsys, "list", "--json"))]
    assert "see/mask_rcnn" in names and names == sorted(names)
    assert main(["lits"]) == 2 and "did you mean list?" in capsys.readouterr().err


def test_one_of_several_processes_says_which_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("RANK", "1")
    assert main(["lits"]) == 2
    assert capsys.readouterr().err.startswith("ocellus (process 1): there is no command")


def test_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    data = ocellus.read("data")
    assert len(data) == 6 and data.labels.names == NAMES
    assert not ocellus.check(data).refuses
    said: list[str] = []
    quick = {"steps": 2, "device": "cpu", "precision": "32", "log_every": 1}
    trained = ocellus.train("see/mask_rcnn", data, out="python", preset="tiny", say=said.append, **quick)
    assert trained.report.is_file() and "mask/AP" in trained.metrics
    model = ocellus.load(trained.weights)
    found = model("data/0.png")
    assert isinstance(found, Instances) and found.picture is not None and found.picture.size == (48, 64)
    same = model(Image.open("data/0.png"))
    assert torch.equal(found.boxes, same.boxes)
    result = ocellus.evaluate(model, data, split="train")
    assert result.metrics.keys() >= {"mask/AP", "box/AP50"} and result.report is None
    answers = list(ocellus.run(model, "data", score=0.0))
    assert [answer.picture for answer in answers] == [f"data/{index}.png" for index in range(6)]
    assert answers[0].value.picture is None and "<image" in answers[0]._repr_html_()
    with pytest.raises(ocellus.OcellusError, match="there is no absent"):
        ocellus.run(model, "absent")  # when it is called, not when the first picture is asked for
    with pytest.raises(ocellus.OcellusError, match="did you mean learning_rate"):
        ocellus.train("see/mask_rcnn", data, preset="tiny", learningrate=1.0)
    assert said == [] and capsys.readouterr().out == ""


def test_values_show_themselves() -> None:
    pixels = torch.zeros(3, 40, 60, dtype=torch.uint8)
    picture = Picture(pixels=pixels)
    drawing = ElementTree.fromstring(picture._repr_html_())
    assert drawing.get("viewBox") == "0 0 60 40" and len(drawing.findall(f"{SVG}image")) == 1
    masks = torch.zeros(3, 40, 60, dtype=torch.bool)
    masks[0, 5:15, 5:15] = True
    masks[0, 8:10, 8:10] = False
    masks[1, 20:30, 30:50] = True
    found = Instances(
        size=(40, 60),
        boxes=torch.tensor([[5.0, 5, 15, 15], [30, 20, 50, 30], [0, 0, 2, 2]]),
        labels=torch.tensor([0, 1, 7]),
        scores=torch.tensor([0.91, 0.5, 0.25]),
        masks=Masks.from_dense(masks),
        keypoints=torch.tensor([[[9.0, 9, 2]], [[40, 25, 0]], [[1, 1, 1]]]),
        names=("고양이", '<script>alert("x")</script>'),
        picture=picture,
    )
    text = found._repr_html_()
    assert "<script" not in text
    drawing = ElementTree.fromstring(text)
    boxes = drawing.findall(f"{SVG}rect")
    assert [(box.get("x"), box.get("width"), box.get("height")) for box in boxes] == [
        ("5.0", "10.0", "10.0"), ("30.0", "20.0", "10.0"), ("0.0", "2.0", "2.0"),
    ]  # fmt: skip
    titles = [box.findtext(f"{SVG}title") for box in boxes]
    assert titles == ["고양이 0.91", '<script>alert("x")</script> 0.50', "7 0.25"]
    paths = [path.get("d") for path in drawing.findall(f"{SVG}path")]
    assert [path.count("M") for path in paths] == [2, 1, 0]  # a ring and its hole, a ring, no pixel
    assert len(drawing.findall(f"{SVG}circle")) == 2 and len(drawing.findall(f"{SVG}image")) == 1
    alone = ElementTree.fromstring(Instances.empty((40, 60))._repr_html_())
    assert not alone.findall(f"{SVG}path") and not alone.findall(f"{SVG}image")
