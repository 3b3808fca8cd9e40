"""Data sets of one class a picture: folders and tables, their splits, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.check import check
from ocellus.data.dataset import Dataset
from ocellus.data.read import read
from ocellus.errors import OcellusError


def draw(path: Path, seed: int, *, side: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(path)


def folders(root: Path, names: dict[str, int], *, start: int = 0) -> Path:
    for number, (name, count) in enumerate(names.items()):
        for index in range(count):
            draw(root / name / f"{index}.png", start + 1000 * number + index)
    return root


def counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    return {
        split: {
            name: sum(record.label == label for record in records)
            for label, name in enumerate(dataset.labels)
        }
        for split, records in dataset.splits.items()
    }


def kinds(dataset: Dataset) -> dict[str, str]:
    """Kind of finding -> its value."""
    return {one.kind: one.value for one in check(dataset).findings}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    """Classes in the order of their names; every class is split alike; folders within make no difference."""
    folders(tmp_path, {"고양이": 10, "dog": 20})
    draw(tmp_path / "dog" / "young" / "1.png", 77)
    (tmp_path / "dog" / ".hidden.png").write_bytes(b"")
    dataset = read(tmp_path, view="labels")
    assert (dataset.format, dataset.view, dataset.labels.names) == (
        "class_folders",
        "labels",
        ("dog", "고양이"),
    )
    assert counts(dataset) == {"train": {"dog": 17, "고양이": 8}, "val": {"dog": 4, "고양이": 2}}
    assert counts(read(tmp_path, view="labels", val_fraction=0.5))["val"] == {"dog": 10, "고양이": 5}
    assert check(dataset).objects == counts(dataset) and not kinds(dataset)
    assert read(tmp_path).view == "objects", "other views read the folder as before"


def test_folders_of_splits_and_a_class_called_train(tmp_path: Path) -> None:
    folders(tmp_path / "a" / "train", {"cat": 6, "train": 6})
    folders(tmp_path / "a" / "valid", {"cat": 2, "train": 1}, start=50)
    dataset = read(tmp_path / "a", view="labels")
    assert counts(dataset) == {"train": {"cat": 6, "train": 6}, "val": {"cat": 2, "train": 1}}
    folders(tmp_path / "b" / "images", {"train": 5, "test": 5})
    assert read(tmp_path / "b", view="labels").labels.names == ("test", "train")


def test_splits_that_miss_a_class(tmp_path: Path) -> None:
    folders(tmp_path / "train", {"cat": 6, "dog": 4})
    folders(tmp_path / "val", {"cat": 2, "cow": 1}, start=50)
    (tmp_path / "train" / "owl").mkdir()
    draw(tmp_path / "train" / "loose.png", 99)
    dataset = read(tmp_path, view="labels")
    assert dataset.labels.names == ("cat", "cow", "dog", "owl")
    found = check(dataset)
    said = {one.kind: one for one in found.findings}
    assert said["class-unused"].value == "owl" and "has no picture" in said["class-unused"].message
    assert said["class-untrained"].value == "cow: 1 in val"
    assert said["class-rare"].value == "dog: 4 in train"
    assert Path(said["picture-classless"].file).name == "loose.png"
    assert set(said) == {"class-unused", "class-untrained", "class-rare", "picture-classless"}
    assert not found.refuses and found.view == "labels" and found.to_dict()["view"] == "labels"


def test_faults_of_pictures(tmp_path: Path) -> None:
    folders(tmp_path / "train", {"Cat": 6, "cat": 6, "dog": 6})
    folders(tmp_path / "val", {"dog": 3}, start=50)
    (tmp_path / "train" / "dog" / "broken.jpg").write_bytes(b"no picture")
    copy = (tmp_path / "train" / "dog" / "0.png").read_bytes()
    (tmp_path / "val" / "dog" / "copy.png").write_bytes(copy)
    (tmp_path / "train" / "cat" / "copy.png").write_bytes(copy)
    found = check(read(tmp_path, view="labels"))
    said = {one.kind: one for one in found.findings}
    assert {"names-alike", "picture-unreadable", "picture-in-splits", "picture-two-classes"} <= set(said)
    assert said["names-alike"].value == "'Cat', 'cat'"
    assert found.refuses
    with pytest.raises(OcellusError, match=r"broken\.jpg.*`ocellus check .* --view labels` lists everything"):
        found.require()


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    folders(tmp_path, {"cat": 9})
    found = check(read(tmp_path, view="labels"))
    assert found.refuses and "classes-alone" in {one.kind for one in found.findings}


def test_a_table(tmp_path: Path) -> None:
    for index in range(6):
        draw(tmp_path / "images" / f"{index}.png", index)
    rows = ["Image,Species,note", *(f"{index},{'bee' if index % 2 else 'ant'},x" for index in range(6)), ""]
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "gone.png,ant,", "5.png,,"]), encoding="utf-8-sig")
    dataset = read(tmp_path, view="labels")
    assert (dataset.format, dataset.labels.names, dataset.label_ids) == ("class_table", ("ant", "bee"), ())
    assert {record.image.name: record.label for _, record in dataset.records()} == {
        **{f"{index}.png": index % 2 for index in range(6)}, "gone.png": 0
    }  # fmt: skip
    assert kinds(dataset)["picture-classless"] == "5.png" and "picture-missing" in kinds(dataset)
    assert counts(read(tmp_path / "labels.csv", view="labels")) == counts(dataset)


def test_numbers_order_the_classes(tmp_path: Path) -> None:
    for index in range(4):
        draw(tmp_path / f"{index}.png", index)
    table = "file\tlabel\tclass_index\tsplit\n0.png\tzebra\t0\ttrain\n1.png\tcrane\t517\ttrain\n"
    (tmp_path / "labels.tsv").write_text(table + "2.png\tcrane\t134\tval\n3.png\tape\t7\tval\n")
    dataset = read(tmp_path, view="labels")
    assert dataset.labels.names == ("zebra", "ape", "crane 134", "crane 517")
    assert dataset.label_ids == (0, 7, 134, 517)
    assert [record.label for record in dataset.splits["val"]] == [2, 1]
    assert kinds(dataset)["names-alike"] == "crane"
    (tmp_path / "labels.tsv").write_text("file\tclass_index\n0.png\t10\n1.png\t9\n")
    assert read(tmp_path, view="labels").labels.names == ("9", "10")
    (tmp_path / "labels.tsv").write_text("file\tlabel\n0.png\t10\n1.png\t9\n")
    assert read(tmp_path, view="labels").labels.names == ("9", "10")


def test_a_table_for_each_split(tmp_path: Path) -> None:
    for index in range(4):
        draw(tmp_path / f"{index}.png", index)
    (tmp_path / "train.csv").write_text("id,breed\n0,pug\n1,husky\n")
    (tmp_path / "val.csv").write_text("id,breed\n2,pug\n3,husky\n")
    (tmp_path / "notes.csv").write_text("who,when\nme,now\n")
    dataset = read(tmp_path, view="labels")
    assert counts(dataset) == {"train": {"husky": 1, "pug": 1}, "val": {"husky": 1, "pug": 1}}


def test_tables_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,colour\n1.png,red\n")
    with pytest.raises(OcellusError, match="its first line has to name a column `file`"):
        read(tmp_path / "a.csv", view="labels", form="class_table")
    (tmp_path / "a.csv").write_text("file,class_id\n1.png,red\n")
    with pytest.raises(OcellusError, match="line 2: 'red' is no class number"):
        read(tmp_path, view="labels")
    (tmp_path / "a.csv").write_text("file,label\n")
    with pytest.raises(OcellusError, match="names no picture"):
        read(tmp_path, view="labels")
    (tmp_path / "a.csv").unlink()
    with pytest.raises(OcellusError, match="empty folder; wanted are a folder of pictures for each class"):
        read(tmp_path, view="labels")
    (tmp_path / "read.me").write_text("hello")
    with pytest.raises(OcellusError, match=r"it has read\.me"):
        read(tmp_path, view="labels")
    with pytest.raises(OcellusError, match="there are objects, classes, labels"):
        read(tmp_path, view="things")  # type: ignore[arg-type]


def test_imagenet(shared: Path) -> None:
    dataset = read(shared / "data" / "imagenet", view="labels")
    assert len(dataset) == 200 and len(dataset.labels) == 200 and dataset.format == "class_table"
    record = next(record for _, record in dataset.records() if record.image.name == "n01494475.jpg")
    assert dataset.labels[record.label] == "hammerhead" and dataset.label_ids[record.label] == 4
    assert list(dataset.label_ids) == sorted(dataset.label_ids)
