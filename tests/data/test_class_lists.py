"""Lists of classes in the forms that tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocellus.data.class_lists import Listed, find_lists, read_list
from ocellus.errors import OcellusError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sky\ntraffic light\n하늘\n", [Listed("sky"), Listed("traffic light"), Listed("하늘")]),
        ("0 sky\n7: road\n", [Listed("sky", 0), Listed("road", 7)]),
        ("sky\n2 wheeler\n", [Listed("sky"), Listed("2 wheeler")]),
        ("64 128 64\tAnimal\n192 0 128\t\tArchway\n",
         [Listed("Animal", None, (64, 128, 64)), Listed("Archway", None, (192, 0, 128))]),
        ("name,r,g,b\nAnimal, 64, 128, 64\nCar Luggage Pram,64,0,192\n",
         [Listed("Animal", None, (64, 128, 64)), Listed("Car Luggage Pram", None, (64, 0, 192))]),
        ("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\n",
         [Listed("background", None, (0, 0, 0)), Listed("cat", None, (250, 50, 83))]),
        ("id name r g b\n0 road 128 64 128\n1 lane 2 244 35 232\n",
         [Listed("road", 0, (128, 64, 128)), Listed("lane 2", 1, (244, 35, 232))]),
    ],
)  # fmt: skip
def test_forms(text: str, wanted: list[Listed], tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(text, encoding="utf-8")
    assert list(read_list(file)) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("road 1 2 3\nsky\n", "line 2: 'sky' has no colour"),
        ("road 1 2 300\n", "line 1: .* above 255"),
        ("\n# nothing\n", "names no class"),
    ],
)
def test_faults_say_the_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "colors.txt"
    file.write_text(text)
    with pytest.raises(OcellusError, match=message):
        read_list(file)


def test_names_and_colours_may_be_two_files(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("road\nsky\n")
    (tmp_path / "colors.txt").write_text("road 1 2 3\nsky 4 5 6\n")
    found = find_lists([tmp_path])
    assert [one.name for one in found.names] == ["road", "sky"]
    assert found.colors_file == tmp_path / "colors.txt" and found.names_file == tmp_path / "classes.txt"
