"""`ocellus explain neighbours` and `tsne`: databases made, added to, asked; what users give by mistake."""

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

from ocellus import weights
from ocellus.cli import main
from ocellus.data.feature_database import FeatureDatabase
from ocellus.data.images import read_picture
from ocellus.see.classifier.config import TINY
from ocellus.see.classifier.model import build

MODEL = "classifier.safetensors"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Red and blue pictures in a folder for each, and two networks."""
    root = tmp_path_factory.mktemp("features")
    before = Path.cwd()
    os.chdir(root)
    dice = np.random.default_rng(0)
    for name, paint in (("blue", (30, 60, 220)), ("red", (220, 40, 30))):
        Path("paint", name).mkdir(parents=True)
        for number in range(5):
            pixels = np.clip(np.array(paint) + dice.integers(-20, 20, (40, 48, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(f"paint/{name}/{number}.png")
    Path("empty").mkdir()
    Path("one").mkdir()
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save("one/grey.png")
    Path("some").mkdir()
    for number in range(3):
        Image.fromarray(dice.integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(f"some/{number}.png")
    Path("some/3.png").write_bytes(b"no picture")
    for name, seed in ((MODEL, 0), ("other.safetensors", 1)):
        torch.manual_seed(seed)
        weights.save(Path(name), build(TINY), weights.describe("see/classifier", TINY, labels=("a", "b")))
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(num_classes=4).state_dict(), "squeezenet.pth")
    assert main(["explain", "neighbours", "store", MODEL, "stored", "paint"]) == 0
    yield root
    os.chdir(before)


@pytest.fixture(autouse=True)
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)


def runs(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command prints."""
    capsys.readouterr()
    code = main(["explain", *words])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out, err


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that fails prints: one line."""
    capsys.readouterr()
    code = main(["explain", *words])
    _, err = capsys.readouterr()
    assert code in (1, 2) and "Traceback" not in err
    return err.strip().splitlines()[-1]


def test_pictures_find_those_of_their_kind(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = runs(
        capsys, "neighbours", MODEL, "stored", "paint/red/0.png", "paint/blue/1.png", "--count", "4",
        "--json", "--out", "sheet",
    )  # fmt: skip
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["vote"] == "red" and second["vote"] == "blue" and first["exact"]
    assert [one["label"] for one in first["neighbours"]] == ["red"] * 4
    assert all(Path(one["path"]).is_file() and "red/0.png" not in one["path"] for one in first["neighbours"])
    distances = [one["distance"] for one in first["neighbours"]]
    assert distances == sorted(distances) and "neighbours.jpg" in err
    lines = Path("sheet/neighbours.jsonl").read_text().splitlines()
    assert [json.loads(line)["picture"] for line in lines] == ["paint/red/0.png", "paint/blue/1.png"]
    sheet = read_picture("sheet/neighbours.jpg").pixels.float()
    rows = sheet.shape[1] // 2
    assert sheet[0, :rows].mean() > sheet[2, :rows].mean() and sheet[0, rows:].mean() < sheet[2, rows:].mean()


def test_a_folder_does_for_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    stored, _ = runs(capsys, "neighbours", MODEL, "stored", "paint/red/0.png", "--json", "--no-out")
    folder, _ = runs(capsys, "neighbours", MODEL, "paint", "paint/red/0.png", "--json", "--no-out")
    assert json.loads(stored) == json.loads(folder)


def test_what_is_stored_is_not_stored_twice(capsys: pytest.CaptureFixture[str]) -> None:
    runs(capsys, "neighbours", "store", MODEL, "growing", "paint/red", "--limit", "2")
    out, _ = runs(capsys, "neighbours", "store", MODEL, "growing", "paint")
    assert "10 pictures" in out
    again, _ = runs(capsys, "neighbours", "store", MODEL, "growing", "paint", "paint/blue/0.png")
    assert again == out
    database = FeatureDatabase("growing")
    assert len(set(database.paths)) == 10 and database.labels.count("red") == 3  # two came without a label
    checked, _ = runs(capsys, "neighbours", "check", "growing")
    assert checked == out and database.space.fingerprint in out


def test_networks_of_others_are_stored_and_asked(capsys: pytest.CaptureFixture[str]) -> None:
    spec = "torchvision:squeezenet1_1=squeezenet.pth"
    runs(capsys, "neighbours", "store", spec, "foreign", "paint", "--short-side", "64")
    out, _ = runs(
        capsys, "neighbours", spec, "foreign", "paint/red/0.png", "--short-side", "64", "--metric", "l2",
        "--no-out",
    )  # fmt: skip
    assert out.startswith("paint/red/0.png: red; ")
    line = fails(capsys, "neighbours", spec, "foreign", "paint/red/0.png", "--short-side", "48", "--no-out")
    assert "prepared in another way" in line and "--short-side" in line


def test_broken_pictures_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = runs(capsys, "neighbours", "store", MODEL, "with-broken", "some")
    assert "3 pictures" in out and "some/3.png" in err


def test_a_damaged_database_is_told_and_repaired(capsys: pytest.CaptureFixture[str]) -> None:
    runs(capsys, "neighbours", "store", MODEL, "torn", "paint/red")
    runs(capsys, "neighbours", "store", MODEL, "torn", "paint/blue")
    size = Path("torn/features.f32").stat().st_size
    os.truncate("torn/features.f32", size - 1)
    assert "repair torn" in fails(capsys, "neighbours", MODEL, "torn", "paint/red/0.png", "--no-out")
    assert "5 pictures" in runs(capsys, "neighbours", "repair", "torn")[0]
    runs(capsys, "neighbours", MODEL, "torn", "paint/red/0.png", "--no-out")


def test_a_plane_from_a_database_and_from_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = runs(capsys, "tsne", "stored", "--out", "plane", "--iterations", "250")
    assert out.startswith("10 pictures of 2 labels")
    with np.load("plane/tsne.npz") as arrays:
        points, labels = arrays["points"], arrays["labels"]
    assert points.shape == (10, 2) and sorted(set(labels.tolist())) == ["blue", "red"]
    assert read_picture("plane/tsne.png").size[0] > 1400
    out, _ = runs(capsys, "tsne", MODEL, "paint", "--out", "plane-2", "--iterations", "250", "--json")
    again = np.array([json.loads(line)["point"] for line in out.splitlines()])
    assert np.allclose(again, points, atol=1e-4)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("neighbours", "other.safetensors", "stored", "one"), "features of another network"),
        (("neighbours", MODEL, "stored", "one", "--layer", "nothing"), "nothing"),
        (("neighbours", MODEL, "empty", "one"), "empty is empty"),
        (("neighbours", MODEL, "nowhere", "one"), "there is no nowhere"),
        (("neighbours", MODEL, "stored", "nowhere.png"), "there is no nowhere.png"),
        (("neighbours", MODEL, "stored", "one", "--metric", "dot"), "it is cosine or l2"),
        (("neighbours", MODEL, "stored", "one", "--count", "0"), "0 neighbours"),
        (("neighbours", "check", "paint"), "paint is no database of features"),
        (("neighbours", "store", "other.safetensors", "stored", "one"), "features of another network"),
        (("neighbours", "store", MODEL, "paint", "one"), "paint is there already"),
        (("neighbours", "store", MODEL, "new", "some/3.png"), "some/3.png"),
        (("tsne", MODEL, "one"), "1 picture cannot be laid out"),
        (("tsne", "paint"), "give a model too"),
        (("tsne", "stored", "--perplexity", "10"), "perplexity 10 makes no sense for 10 pictures"),
        (("tsne", "stored", "--out", "paint"), "paint is there already"),
        (("tsne", "stored", "--layer", "other"), "leave the layer out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], wanted: str
) -> None:
    more = ("--no-out",) if words[0] == "neighbours" and words[1] not in ("store", "check") else ()
    assert wanted in fails(capsys, *words, *more)


def test_an_empty_database_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from ocellus.data.feature_database import create_database

    create_database(tmp_path / "new", FeatureDatabase("stored").space)
    for words in (
        ("neighbours", MODEL, str(tmp_path / "new"), "one", "--no-out"),
        ("tsne", str(tmp_path / "new")),
    ):
        assert "is empty: `ocellus explain neighbours store`" in fails(capsys, *words)
