"""Splits that files state: lists of pictures, tables with a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.read import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c", "그림 4"):
        for kind, array in (("images", np.zeros((2, 2, 3), np.uint8)), ("masks", np.eye(2, dtype=np.uint8))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / f"{name}.png")
    return tmp_path


def splits(folder: Path) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    dataset = read(folder, view="classes")
    kinds = [(one.kind, one.value or Path(one.file).name) for one in dataset.findings]
    return {split: [record.name for record in held] for split, held in dataset.splits.items()}, kinds


@pytest.mark.parametrize(
    "lines",
    [
        ("a\nc\n그림 4\n", "b\n"),
        ("./images/a.png\nimages/c.png\n그림 4.png\n", "b.png\n"),
        ("data/set/images/a.png\nimages\\c.png\n그림 4.png\n", "b.png\n"),
    ],
)
def test_lists(lines: tuple[str, str], folder: Path) -> None:
    for name, text in zip(("train", "val"), lines, strict=True):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    assert splits(folder) == ({"train": ["a.png", "c.png", "그림 4.png"], "val": ["b.png"]}, [])


def test_a_list_of_other_pictures_is_not_followed_and_told(folder: Path) -> None:
    (folder / "train.txt").write_text("x\ny\n")
    found, kinds = splits(folder)
    assert kinds == [("list-unmatched", "none of 2 names")]
    assert sorted(len(names) for names in found.values()) == [1, 3]


def test_a_table_and_what_it_leaves_out(folder: Path) -> None:
    text = "patient,file,split\n1,a.png,train\n1,b.png,train\n2,c.png,validation\n3,d.png,test\n"
    (folder / "images.csv").write_text(text, encoding="utf-8")
    found, kinds = splits(folder)
    assert found == {"train": ["a.png", "b.png"], "val": ["c.png"]}
    assert kinds == [("picture-unlisted", "그림 4.png"), ("list-unmatched", "d")]


def test_pairs_of_picture_and_mask(folder: Path) -> None:
    (folder / "train.txt").write_text("images/a.png masks/a.png\nimages/b.png masks/b.png\n")
    (folder / "val.txt").write_text("images/c.png masks/c.png\n")
    assert splits(folder)[0] == {"train": ["a.png", "b.png"], "val": ["c.png"]}


def test_other_files_say_nothing(folder: Path) -> None:
    (folder / "scores.csv").write_text("file,score\na.png,1\n")
    (folder / "val.txt").write_text("a\n")
    assert {split: len(names) for split, names in splits(folder)[0].items()} == {"train": 3, "val": 1}
