"""Masks whose pixels are numbers: objects of one class, label maps, Cityscapes' numbers, and wrong files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.instances import instances
from ocellus.data.read import read
from ocellus.errors import OcellusError

IDS = np.array([[0, 1, 1, 0, 300, 300], [0, 1, 0, 0, 0, 255], [7, 7, 7, 7, 7, 7]], np.uint16)


def make(folder: Path, ids: np.ndarray, *, classes: str = "", name: str = "images/a.jpg") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", ids.shape[1::-1]).save(folder / name)
    mask = folder / name.replace("images", "masks").replace(".jpg", ".png")
    mask.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(mask)
    if classes:
        (folder / "classes.txt").write_text(classes, encoding="utf-8")


@pytest.mark.parametrize(("classes", "name"), [("", "object"), ("세포\n", "세포"), ("1 cell\n", "cell")])
def test_numbers_are_objects_of_the_one_class(classes: str, name: str, tmp_path: Path) -> None:
    make(tmp_path, IDS, classes=classes)
    dataset = read(tmp_path)
    assert dataset.labels.names == (name,)
    (record,) = dataset.splits["train"]
    found = instances(record, dataset)
    assert [one.source for one in record.annotations] == ["value 1", "value 7", "value 255", "value 300"]
    for dense, value in zip(found.masks.dense().numpy(), (1, 7, 255, 300), strict=True):
        assert (dense == (value == IDS)).all()
    assert found.boxes[0].tolist() == [1, 0, 3, 2]


def test_label_maps_and_cityscapes_numbers(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2, 255, 3, 65535], [1000, 1001, 1001, 2000, 0, 9]], np.uint16)
    make(tmp_path, ids, classes="background\nroad\n자동차\n")
    dataset = read(tmp_path)
    assert dataset.labels.names == ("road", "자동차")
    assert dataset.label_ids == (1, 2)
    (record,) = dataset.splits["train"]
    found = [(one.source, one.label) for one in record.annotations]
    wrong = [("value 3", -1), ("value 9", -1), ("value 255", -1)]
    right = [("value 1", 0), ("value 2", 1), ("value 1000", 0), ("value 1001", 0), ("value 2000", 1)]
    assert sorted(found) == sorted(wrong + right)
    assert {f.kind for one in record.annotations for f in one.findings} == {"mask-value"}
    make(tmp_path, ids.clip(0, 255).astype(np.uint8), classes="background\nroad\n자동차\n")
    (record,) = read(tmp_path).splits["train"]
    assert "value 255" not in [one.source for one in record.annotations]  # to be ignored in 8 bits


def test_names_without_numbers_are_refused(tmp_path: Path) -> None:
    make(tmp_path, IDS, classes="sky\nbuilding\n")
    with pytest.raises(OcellusError, match=r"'sky', has in the masks; write lines such as '1 sky'"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["palette", "bilevel", "grey-rgb"])
def test_kinds_of_mask_files(form: str, tmp_path: Path) -> None:
    ids = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    make(tmp_path, ids)
    image = Image.fromarray(ids, "P")
    image.putpalette([0, 0, 0, 200, 100, 50])
    if form == "bilevel":
        image = Image.fromarray(ids.astype(bool))
    elif form == "grey-rgb":
        image = Image.fromarray(np.repeat(ids[:, :, None], 3, axis=2))
    image.save(tmp_path / "masks/a.png")
    dataset = read(tmp_path)
    found = instances(dataset.splits["train"][0], dataset)
    assert found.masks.dense().numpy().tolist() == [(ids == 1).tolist()]


def test_masks_that_cannot_be_read_and_files_without_partner(tmp_path: Path) -> None:
    for name in ("images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg", "images/val/d.jpg"):
        make(tmp_path, IDS, name=name)
    (tmp_path / "masks/train/b.png").write_text("no mask")
    (tmp_path / "images/val/d.jpg").unlink()
    (tmp_path / "masks/val/c.png").rename(tmp_path / "masks/val/e.png")
    make(tmp_path, IDS, name="images/val/f.jpg")
    dataset = read(tmp_path)
    names = {split: [record.name for record in held] for split, held in dataset.splits.items()}
    assert names == {"train": ["train/a.jpg", "train/b.jpg"], "val": ["val/f.jpg"]}
    assert sorted((f.kind, Path(f.file).name) for f in dataset.findings) == [
        ("annotation-orphan", "d.png"),
        ("annotation-orphan", "e.png"),
        ("picture-unannotated", "c.jpg"),
    ]
    (lost,) = dataset.splits["train"][1].annotations
    assert [f.kind for f in lost.findings] == ["file-unreadable"]


def test_colours_are_no_numbers(tmp_path: Path) -> None:
    make(tmp_path, IDS)
    Image.fromarray(np.array([[[1, 2, 3]]], np.uint8)).save(tmp_path / "masks/a.png")
    dataset = read(tmp_path)
    (lost,) = dataset.splits["train"][0].annotations
    assert "one channel" in lost.findings[0].message


def test_real_label_maps_without_numbers_ask_for_them(shared: Path) -> None:
    with pytest.raises(OcellusError, match="'sky'"):
        read(shared / "data/camvid")
