"""Pascal VOC: corners that count from 1, object masks, lists of splits, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ocellus.data.instances import instances
from ocellus.data.read import read


def page(*objects: tuple[str, tuple[object, ...]], filename: str = "a.jpg") -> str:
    body = "".join(
        f"<object><name>{name}</name><difficult>{int(name == 'hard')}</difficult><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False))
        + "</bndbox></object>"
        for name, corners in objects
    )
    size = "<size><width>20</width><height>10</height><depth>3</depth></size>"
    return f"<annotation><filename>{filename}</filename>{size}{body}</annotation>"


def make(folder: Path, pages: dict[str, str]) -> None:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        image = folder / "JPEGImages" / f"{path.stem}.jpg"
        image.parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 10)).save(image)


def test_corners_count_from_one_and_include_the_last(tmp_path: Path) -> None:
    make(tmp_path, {"Annotations/a.xml": page(("고양이", (1, 1, 20, 10)), ("hard", (3, 4, 3, 4)))})
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    found = instances(record, dataset)
    assert found.boxes.tolist() == [[0, 0, 20, 10], [2, 3, 3, 4]]
    assert dataset.labels.names == ("hard", "고양이")
    assert record.size == (10, 20)
    assert found.masks is None
    assert [(f.kind, f.value) for f in dataset.findings] == [("difficult-kept", "1")]


def test_object_masks_and_their_border(tmp_path: Path) -> None:
    make(tmp_path, {"Annotations/a.xml": page(("x", (1, 1, 5, 5)), ("y", (11, 1, 15, 5)))})
    ids = np.zeros((10, 20), np.uint8)
    ids[:5, :5], ids[:5, 10:15], ids[:5, 5], ids[8, 8] = 1, 2, 255, 3
    (tmp_path / "SegmentationObject").mkdir()
    image = Image.fromarray(ids, "P")
    image.putpalette([value for number in range(256) for value in (number, 0, 0)])
    image.save(tmp_path / "SegmentationObject/a.png")
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    dense = instances(record, dataset).masks.dense().numpy()
    assert (dense[0] == (ids == 1)).all()
    assert (dense[1] == (ids == 2)).all()
    assert [[f.kind for f in one.findings] for one in record.annotations] == [[], [], ["mask-value"]]


def test_lists_make_the_splits_and_broken_files_are_found(tmp_path: Path) -> None:
    pages = {f"Annotations/{name}.xml": page(("x", (1, 1, 5, 5)), filename=f"{name}.jpg") for name in "abc"}
    make(tmp_path, pages)
    (tmp_path / "Annotations/d.xml").write_text("<annotation>")
    lists = tmp_path / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\nlost\n")
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    (lists / "x_train.txt").write_text("a 1\nb -1\n")
    dataset = read(tmp_path)
    found = {split: [record.name for record in held] for split, held in dataset.splits.items()}
    assert found == {"train": ["a.jpg", "b.jpg"], "val": ["c.jpg"]}
    assert {(f.kind, f.severity) for f in dataset.findings} == {
        ("file-unreadable", "refuse"),
        ("picture-unannotated", "warn"),
    }
    (broken,) = (f for f in dataset.findings if f.kind == "file-unreadable")
    assert "line 1, column 13" in broken.message


def test_corners_that_are_no_numbers(tmp_path: Path) -> None:
    make(
        tmp_path, {"Annotations/a.xml": page(("x", (1, "left", 5, 5)), ("", (1, 1, 2, 2)), ("y", (1, 1, 2)))}
    )
    (record,) = read(tmp_path).splits["train"]
    assert [[f.kind for f in one.findings] for one in record.annotations] == [
        ["annotation-unreadable"],
        ["label-unknown"],
        ["annotation-unreadable"],
    ]


def test_files_beside_their_pictures(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.xml").write_text(page(("x", (1, 1, 5, 5))))
        Image.new("RGB", (20, 10)).save(tmp_path / split / "a.jpg")
    dataset = read(tmp_path)
    found = {split: [record.name for record in held] for split, held in dataset.splits.items()}
    assert found == {"train": ["train/a.jpg"], "val": ["valid/a.jpg"]}
    assert all(record.image.is_file() for _, record in dataset.records())
    assert len(read(tmp_path / "train/a.xml", val_fraction=0)) == 1
