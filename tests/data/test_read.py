"""Formats are found from the files; splits are the format's own or by name; bad input is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ocellus.data.instances import instances
from ocellus.data.read import read
from ocellus.data.splits import split_of, without_split
from ocellus.errors import OcellusError

REAL = {
    # folder: (format, {split: (pictures, objects)}, classes), as the folder's own notes count them
    "nuclei": ("coco", {"train": (267, 7706), "val": (67, 1837)}, 1),
    "fruits": ("coco", {"train": (10, 92), "val": (2, 16)}, 3),
    "coco": ("coco", {"train": (128, 1170), "val": (32, 274)}, 80),
    "bccd": ("voc", {"train": (117, 1597), "val": (43, 566), "test": (40, 533)}, 3),
    "pose": ("coco", {"train": (320, 320), "val": (80, 80)}, 1),
    "mouse": ("coco", {"train": (92, 92), "val": (24, 24)}, 1),
    "lungs": ("coco", {"train": (48, 144), "val": (12, 36)}, 3),
    "portrait": ("masks", {"train": (160, 160), "val": (40, 40)}, 1),
    "davis": ("masks", {"train": (280, 280), "val": (70, 70)}, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sets_have_the_counts_of_their_notes(name: str, shared: Path) -> None:
    form, counts, classes = REAL[name]
    dataset = read(shared / "data" / name)
    assert dataset.format == form
    assert len(dataset.labels) == classes
    found = {s: (len(held), sum(len(r.annotations) for r in held)) for s, held in dataset.splits.items()}
    assert found == counts
    assert all(record.image.is_file() for _, record in dataset.records())
    assert {finding.kind for finding in dataset.findings} <= {"file-unused"}
    names = [record.name for _, record in dataset.records()]
    assert len(set(names)) == len(names)
    for _, record in list(dataset.records())[:5]:
        assert len(instances(record, dataset)) == len(record.annotations)


def test_real_masks_are_those_of_pycocotools(shared: Path) -> None:
    from pycocotools.coco import COCO

    ground = COCO(str(shared / "data/coco/annotations/instances.json"))
    dataset = read(shared / "data/coco")
    compared = 0
    for _, record in list(dataset.records())[:40]:
        found = instances(record, dataset)
        anns = ground.loadAnns(ground.getAnnIds([record.image_id]))
        assert [dataset.label_ids[label] for label in found.labels] == [ann["category_id"] for ann in anns]
        assert found.crowd.tolist() == [bool(ann["iscrowd"]) for ann in anns]
        for mask, ann in zip(found.masks.dense().numpy() if anns else (), anns, strict=True):
            assert (mask == ground.annToMask(ann)).all()
            compared += 1
    assert compared > 300


def test_a_split_by_names_is_the_same_wherever_and_in_any_order(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for number in range(20):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("RGB", (4, 4)).save(tmp_path / folder / f"{number}.png")
    one, two = read(tmp_path / "one"), read(tmp_path / "two", val_fraction=0.2)
    names = {split: [record.name for record in held] for split, held in one.splits.items()}
    assert names == {split: [record.name for record in held] for split, held in two.splits.items()}
    assert len(names["val"]) == 4
    assert "SHA-1" in one.split_rule
    half = read(tmp_path / "one", val_fraction=0.5)
    assert set(names["val"]) < {record.name for record in half.splits["val"]}
    assert list(read(tmp_path / "one", val_fraction=0).splits) == ["train"]
    for wrong in (-0.1, 1.0, 7):
        with pytest.raises(OcellusError, match="0 to below 1") as caught:
            read(tmp_path / "one", val_fraction=wrong)
        assert caught.value.exit_code == 2


def test_two_pictures_make_two_splits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    assert {split: len(held) for split, held in read(tmp_path, val_fraction=0.01).splits.items()} == {
        "train": 1,
        "val": 1,
    }


@pytest.mark.parametrize(
    ("name", "split", "rest"),
    [
        ("instances_train2017", "train", "instances"),
        ("person_keypoints_val2017", "val", "person_keypoints"),
        ("valid", "val", ""),
        ("Testing", "test", ""),
        ("instances", None, "instances"),
        ("retrained_model", None, "retrained_model"),
        ("trainval", "trainval", ""),
        ("my-validation-set", "val", "my--set"),
    ],
)
def test_splits_are_found_in_names(name: str, split: str | None, rest: str) -> None:
    assert split_of(name) == split
    assert without_split(name) == rest


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}],
        "categories": [{"id": 1, "name": "x"}],
    },
    indent=1,
)


@pytest.mark.parametrize(
    ("files", "target", "message"),
    [
        ({}, "nowhere", "there is no .*nowhere"),
        ({}, "", "is an empty folder"),
        ({"notes.docx": "x"}, "", r"nothing that can be read \(it has notes.docx\)"),
        ({"notes.docx": "x"}, "notes.docx", "of no known kind"),
        ({"a.json": ""}, "a.json", "is empty"),
        ({"a.json": '{"a": [1, 2'}, "a.json", "cut off: it ends at line 1, column 12"),
        ({"a.json": '{"a": [1, 2]}'}, "a.json", "neither COCO's .* nor LabelMe's"),
        (
            {"annotations/instances.json": COCO[: len(COCO) // 2]},
            "",
            r"instances\.json is cut off: it ends at line 13",
        ),
        ({"annotations/instances.json": COCO.replace('"bbox": [', '"bbox" [')}, "", "line 15, column 11"),
        ({"annotations/instances.json": '{"images": [], "annotations": []}'}, "", "holds no images"),
        ({"data.yaml": "train: [a\nnames: b"}, "", "not valid YAML at line 2"),
        ({"data.yaml": "train: images\nnames: []\n", "images/a.txt": ""}, "", "no class names"),
        ({"data.yaml": "train: pictures\nnames: [a]\n"}, "", "names the pictures pictures, but .* not there"),
        ({"data.yaml": "train: .\nnames: {0: a, 2: b}\n"}, "", "without gaps"),
        ({"data.yaml": "train: .\nnames: [a, a]\n"}, "", "names classes twice: a"),
        ({"data.yaml": "train: .\nnc: 3\nnames: [a, b]\n"}, "", "says nc: 3 but has 2"),
        ({"data.yaml": "train: .\nkpt_shape: 3\nnames: [a, b]\n"}, "", "kpt_shape: 3; wanted"),
        ({"Annotations/a.xml": "<annotation><size>"}, "", "not valid XML at line 1, column 19"),
        ({"Annotations/a.xml": "<html/>"}, "", "begins with <html>"),
        ({"a.json": '{"shapes": [{"label": "x"}, '}, "", "cut off"),
        ({"a.json": '{"shapes": 3, "imagePath": "a.jpg"}'}, "", "shapes that are no list"),
    ],
)
def test_bad_input_is_one_line_with_the_file(
    files: dict[str, str], target: str, message: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(OcellusError, match=message) as caught:
        read(tmp_path / target)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_format_can_be_named(shared: Path) -> None:
    dataset = read(shared / "data/lungs", form="masks")
    assert dataset.format == "masks"
    assert dataset.labels.names == ("left_lung", "right_lung", "cardiomediastinum")
    assert sum(len(record.annotations) for _, record in dataset.records()) == 180
    with pytest.raises(OcellusError, match="there are coco, yolo") as caught:
        read(shared, form="tfrecord")
    assert caught.value.exit_code == 2
