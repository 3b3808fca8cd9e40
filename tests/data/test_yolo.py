"""YOLO's files: boxes, polygons, keypoints, lists of pictures, and lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ocellus.data.instances import instances
from ocellus.data.read import read


def make(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            Image.new("RGB", (200, 100)).save(path)
        else:
            path.write_text(text, encoding="utf-8")


def test_boxes_and_polygons(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: 고양이\n  1: dog\n",
            "images/train/a.jpg": None,
            "labels/train/a.txt": "1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n\n",
            "images/val/b.png": None,
        },
    )
    dataset = read(tmp_path)
    assert dataset.labels.names == ("고양이", "dog")
    (record,) = dataset.splits["train"]
    assert record.name == "train/a.jpg"
    found = instances(record, dataset)
    assert found.labels.tolist() == [1, 0]
    assert found.boxes[0].tolist() == pytest.approx([80, 30, 120, 70])
    assert found.boxes[1].tolist() == pytest.approx([20, 10, 60, 50])
    dense = found.masks.dense()
    assert not dense[0].any()
    assert dense[1].sum() == 40 * 40
    assert dense[1, 10:50, 20:60].all()
    assert [record.name for record in dataset.splits["val"]] == ["val/b.png"]
    assert [(f.kind, Path(f.file).name) for f in dataset.findings] == [("picture-unannotated", "b.png")]


@pytest.mark.parametrize("entry", ["images", "[images]", "list.txt", "../set/images", "images/a.jpg"])
def test_pictures_by_folder_list_or_file(entry: str, tmp_path: Path) -> None:
    make(
        tmp_path / "set",
        {
            "data.yaml": f"train: {entry}\nnames: [x]\n",
            "list.txt": "./images/a.jpg\n",
            "images/a.jpg": None,
            "labels/a.txt": "0 0.5 0.5 1 1\n",
        },
    )
    for place in (tmp_path / "set", tmp_path / "set/data.yaml"):
        ((_, record),) = read(place, val_fraction=0).records()
        assert len(record.annotations) == 1


@pytest.mark.parametrize(("each", "third"), [(2, ""), (3, " 1")])
def test_keypoints(each: int, third: str, tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "data.yaml": f"train: images\nnames: [x]\nkpt_shape: [2, {each}]\nflip_idx: [1, 0]\n",
            "images/a.jpg": None,
            "labels/a.txt": f"0 0.5 0.5 1 1 0.25 0.5{third} 0 0{' 0' if third else ''}\n0 0.5 0.5 1 1 0.25\n",
        },
    )
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    seen = 1 if third else 2
    assert instances(record, dataset).keypoints.tolist() == [[[50, 50, seen], [0, 0, 0]]]
    assert dataset.skeleton.flip_pairs == ((0, 1),)
    assert [f.kind for f in record.annotations[1].findings] == ["keypoint-count"]


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    lines = "0 0.5 0.5 1 1\n7 0.5 0.5 1 1\n0 a b c d\n0 0.1 0.2\n0 0.1 0.2 0.3 0.4 0.5\n1.5 0.5 0.5 1 1\n"
    make(
        tmp_path,
        {
            "data.yaml": "train: images\nnames: [x]\n",
            "images/a.jpg": None,
            "labels/a.txt": lines,
            "labels/lost.txt": lines,
        },
    )
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    bad = "annotation-unreadable"
    found = [[(f.kind, f.where) for f in one.findings] for one in record.annotations]
    assert found == [
        [],
        [("label-unknown", "line 2")],
        [(bad, "line 3")],
        [(bad, "line 4")],
        [(bad, "line 5")],
        [("label-unknown", "line 6")],
    ]
    assert len(instances(record, dataset)) == 1
    assert [(f.kind, Path(f.file).name) for f in dataset.findings] == [("annotation-orphan", "lost.txt")]


def test_folders_without_a_data_yaml(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "images/train/a.jpg": None,
            "images/val/b.jpg": None,
            "labels/train/a.txt": "0 0.5 0.5 1 1\n",
            "labels/val/b.txt": "2 0.5 0.5 1 1\n",
        },
    )
    dataset = read(tmp_path)
    assert dataset.format == "yolo"
    assert dataset.labels.names == ("0", "1", "2")
    assert {split: len(held) for split, held in dataset.splits.items()} == {"train": 1, "val": 1}
    make(tmp_path, {"classes.txt": "a\nb\nc\n"})
    assert read(tmp_path).labels.names == ("a", "b", "c")


def test_a_missing_picture_is_the_doctors(tmp_path: Path) -> None:
    make(tmp_path, {"data.yaml": "train: list.txt\nnames: [x]\n", "list.txt": "images/a.jpg\n"})
    (record,) = read(tmp_path).splits["train"]
    assert record.image == tmp_path / "images/a.jpg"
    assert list(record.annotations) == []
