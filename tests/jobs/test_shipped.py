"""Shipped weights by name, what introduces them, and what is said of names that there are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ocellus import catalog, weights
from ocellus.cli import main
from ocellus.errors import OcellusError
from ocellus.jobs import shipped
from ocellus.jobs.model import find, load
from ocellus.see.unet.config import TINY
from ocellus.see.unet.model import build


def write(path: Path, *labels: str, notes: str = "") -> Path:
    torch.manual_seed(0)
    config = replace(TINY, classes=len(labels))
    header = weights.describe("see/unet", config, labels=labels, data="nothing", notes=notes)
    weights.save(path, build(config), header)
    return path


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of one system; the folder that one works in is another."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    write(folder / "unet-roads.safetensors", "road", "sky")
    write(folder / "unet-cells.safetensors", "gap", "cell", notes="Electron microscopy.")
    monkeypatch.setattr(shipped, "ZOO", folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("unet-roads", "unet-roads"),
        ("see/unet:roads", "unet-roads"),
        ("see/unet:unet-roads", "unet-roads"),
        ("see/unet:cells", "unet-cells"),
        ("see/unet", "unet-cells"),  # the first
    ],
)
def test_names_of_shipped_weights(zoo: Path, name: str, file: str) -> None:
    assert find(name) == zoo / f"{file}.safetensors"


def test_what_is_on_the_disk_goes_before_what_is_shipped(zoo: Path) -> None:
    Path("unet-roads").mkdir()
    assert find("unet-roads") == zoo / "unet-roads.safetensors"  # a folder of pictures, say
    own = write(Path("unet-roads/best.safetensors"), "a", "b")
    assert find("unet-roads") == own


@pytest.mark.parametrize(
    ("name", "says", "code"),
    [
        ("see/unet:road", "no weights see/unet:road are shipped; there is see/unet:cells, see/unet:roads", 1),
        ("see/fcn", "no weights of see/fcn are shipped: train it", 1),
        ("see/fcn:roads", "no weights of see/fcn are shipped: train it", 1),
        ("unet-road", "unet-road is no model here: did you mean unet-roads? give a weights file", 1),
        ("full/folder", "full/folder is no model here: give a weights file", 1),
        ("zebra", "zebra is no model here: give a weights file", 1),
        ("see/unnet:roads", "did you mean see/unet?", 2),
        ("absent/unet-roads.safetensors", "is no model here: give", 1),
    ],
)
def test_names_that_there_are_not(zoo: Path, name: str, says: str, code: int) -> None:
    Path("full/folder").mkdir(parents=True)
    with pytest.raises(OcellusError) as caught:
        find(name)
    assert says in str(caught.value) and caught.value.exit_code == code


def test_what_answers_is_introduced_and_the_others_are_named(zoo: Path) -> None:
    line = load("see/unet", device="cpu").introduction()
    assert "unet-cells.safetensors: see/unet, knows gap, cell. Electron microscopy." in line
    assert line.endswith("Also shipped: see/unet:roads knows road, sky.") and "\n" not in line
    own = write(Path("mine.safetensors"), "a", "b")
    assert "Also shipped" not in load(own, device="cpu").introduction()
    (zoo / "unet-roads.safetensors").unlink()
    assert "Also shipped" not in load("see/unet", device="cpu").introduction()


def test_list_and_info_tell_of_them(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    place = next(number for number, line in enumerate(lines) if line.startswith("see/unet "))
    assert lines[place + 2 : place + 4] == [
        "weights: see/unet:cells knows gap, cell",
        "weights: see/unet:roads knows road, sky",
    ]
    assert sum(line.startswith("weights:") for line in lines) == 2
    assert main(["list", "--json"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert cards["see/fcn"]["weights"] == []
    assert [one["name"] for one in cards["see/unet"]["weights"]] == ["see/unet:cells", "see/unet:roads"]
    assert cards["see/unet"]["weights"][0]["notes"] == "Electron microscopy."
    for name in ("unet-roads", "see/unet:roads"):
        assert main(["info", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["labels"] == ["road", "sky"]
    assert main(["info", "see/unet", "--json"]) == 0
    assert "presets" in json.loads(capsys.readouterr().out)


def test_what_is_really_shipped_has_names_that_find_it() -> None:
    found = shipped.shipped()
    assert {"see/mask_rcnn:scenes", "see/unet:lungs"} <= {one.name for one in found}
    for one in found:
        assert find(one.name) == find(one.file) == one.path and one.path.is_file()
        assert one.notes and one.licence != "not stated", one.file
        assert one.labels or catalog.card(one.system).verb == "generate", one.file
