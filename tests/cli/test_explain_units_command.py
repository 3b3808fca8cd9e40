"""`ocellus explain filters|activations|max_patches|class_ascent`: what they print and write, and refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from small_world import write_model

from ocellus import weights
from ocellus.cli import main
from ocellus.see.classifier.config import TINY
from ocellus.see.classifier.model import build

MODEL = "classifier.safetensors"
SQUEEZENET = "torchvision:squeezenet1_1=squeezenet.pth"
CLIMB = ["--steps", "4", "--least", "0", "--size", "32"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of pictures and networks that have learned nothing."""
    root = tmp_path_factory.mktemp("units")
    before = Path.cwd()
    os.chdir(root)
    random = np.random.default_rng(0)
    Path("photos").mkdir()
    Path("empty").mkdir()
    for number in range(4):
        Image.fromarray(random.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(f"photos/{number}.png")
    torch.manual_seed(0)
    header = weights.describe("see/classifier", TINY, labels=("tabby", "poodle"))
    weights.save(Path(MODEL), build(TINY), header)
    torch.save(torchvision.models.squeezenet1_1(num_classes=4).state_dict(), "squeezenet.pth")
    write_model(Path("detector.safetensors"))
    yield root
    os.chdir(before)


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)


def shows(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command prints on standard output."""
    capsys.readouterr()
    assert main(["explain", *map(str, words)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """The one line of a command that fails."""
    capsys.readouterr()
    given = main(["explain", *map(str, words)])
    error = capsys.readouterr().err.strip()
    assert given == code, error
    assert len(error.splitlines()) == 1 and error.startswith("ocellus: "), error
    return error


def written(folder: Path, name: str) -> dict[str, object]:
    """A method's three files are there; the facts."""
    assert {path.name for path in folder.iterdir()} == {f"{name}.png", f"{name}.npz", f"{name}.json"}
    assert min(Image.open(folder / f"{name}.png").size) > 40
    facts: dict[str, object] = json.loads((folder / f"{name}.json").read_text())
    assert facts["method"] == name
    return facts


def test_filters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "4 filters of 3x4x4" in shows(capsys, "filters", MODEL, "--out", tmp_path / "a")
    assert written(tmp_path / "a", "filters")["in_picture"] is True
    found = json.loads(shows(capsys, "filters", SQUEEZENET, "--json", "--no-out", "--order", "color"))
    assert found["layer"] == "features.0" and found["shape"] == [64, 3, 3, 3]
    assert "detector" not in shows(capsys, "filters", "detector.safetensors", "--no-out")
    assert "Conv2d" in shows(capsys, "filters", MODEL, "--list-layers")


def test_activations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = shows(
        capsys, "activations", SQUEEZENET, "photos/0.png", "--layer", "features.3", "--mask", 1, 2,
        "--short-side", 64, "--out", tmp_path / "a",
    )  # fmt: skip
    assert "36 of 128 units" in line and "without 2 of 128 units of features.3" in line
    units = written(tmp_path / "a", "activations")["units"]
    assert isinstance(units, list) and len(units) == 36
    line = shows(capsys, "activations", MODEL, "photos/0.png", "--effects", "--most", 3, "--no-out",
                 "--target", "class:poodle")  # fmt: skip
    assert "class poodle falls most without unit" in line


def test_max_patches(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = (
        "max_patches",
        SQUEEZENET,
        "photos",
        "--layer",
        "features.3",
        "--units",
        5,
        7,
        "--short-side",
        64,
    )
    line = shows(capsys, *words, "--top", 2, "--out", tmp_path / "a")
    assert "4 pictures seen" in line and "unit 5: " in line and "photos/" in line
    facts = written(tmp_path / "a", "max_patches")
    assert facts["field"] == [15, 15]  # 3 at stride 2, pooling 3 at stride 2, a 3x3: 3 + 2 * 2 + 2 * 4
    assert facts["units"] == [5, 7]
    again = shows(capsys, *words, "--top", 2, "--no-out")
    assert again == line
    assert "nothing" not in shows(capsys, "max_patches", MODEL, "photos/*.png", "--most", 2, "--no-out")


def test_class_ascent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "a"
    lines = shows(
        capsys, "class_ascent", MODEL, "--target", "class:poodle", "--target", "tabby", "--seeds", 0, 1,
        *CLIMB, "--out", out,
    ).splitlines()  # fmt: skip
    assert [line.split(":")[0] for line in lines] == ["class poodle"] * 2 + ["class tabby"] * 2
    assert all("(seed" in line for line in lines)
    assert {"class-poodle-0.png", "class-tabby-1.npz", "class_ascent.png"} <= {
        one.name for one in out.iterdir()
    }
    assert Image.open(out / "class-poodle-0.png").size == (32, 32)
    assert len(json.loads((out / "class_ascent.json").read_text())) == 4
    lines = shows(capsys, "class_ascent", MODEL, "photos/0.png", "--target", "poodle", "--steps", 2,
                  "--sure", 0.9999, "--no-out").splitlines()  # fmt: skip
    assert "NOT REACHED: more than 99.99 % was asked" in lines[0]


def test_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("a")
    for words, wanted in (
        (("filters", SQUEEZENET, "--layer", "features.33"), "there is features.3"),
        (("filters", MODEL, "--out", tmp_path / "full"), "is there already"),
        (("activations", MODEL), "no picture was given"),
        (("activations", MODEL, "photos/0.png", "photos/1.png"), "takes one"),
        (("activations", SQUEEZENET, "photos/0.png", "--layer", "features.3", "--units", 128), "0 to 127"),
        (
            ("activations", SQUEEZENET, "photos/0.png", "--layer", "classifier.3"),
            "has no places in the picture",
        ),
        (("max_patches", MODEL), "no pictures were given"),
        (("max_patches", MODEL, "photos", "--field", "box"), "there is walk, gradient"),
        (("class_ascent", MODEL), "--target class:tabby"),
        (("class_ascent", MODEL, "--target", "class:2"), "0 to 1"),
        (("class_ascent", MODEL, "--target", "class:poodel"), "poodle"),
        (("class_ascent", MODEL, "--target", "box:0"), "asks of a certain picture"),
        (("class_ascent", "detector.safetensors", "--target", "class:0"), "cannot answer"),
        (("class_ascent", MODEL, "photos/0.png", "--target", "tabby", "--size", 32), "leave it out"),
    ):
        assert wanted in refused(capsys, *words, *(() if "--out" in words else ("--no-out",))), words
    assert "holds nothing" in refused(capsys, "max_patches", MODEL, "empty", "--no-out", code=1)
    assert "absent.png" in refused(capsys, "activations", MODEL, "absent.png", "--no-out", code=1)
