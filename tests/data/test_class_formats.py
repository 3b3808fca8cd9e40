"""Formats that give every pixel a class: Cityscapes, VOC, COCO panoptic; and objects painted as classes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.dataset import Dataset, Record
from ocellus.data.read import read
from ocellus.data.voc_classes import color
from ocellus.errors import OcellusError


def only(dataset: Dataset) -> Record:
    ((_, record),) = dataset.records()
    return record


def class_map(record: Record) -> np.ndarray:
    assert record.label_map is not None
    return pickle.loads(pickle.dumps(record.label_map))()  # noqa: S301


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# Cityscapes


@pytest.mark.parametrize("ending", ["labelIds", "labelTrainIds"])
def test_cityscapes_numbers_become_the_19_classes(ending: str, tmp_path: Path) -> None:
    raw = np.array([[7, 8, 33, 0, 29, 24]], np.uint8)
    trained = np.array([[0, 1, 18, 255, 255, 11]], np.uint8)  # the table of the benchmark
    save(tmp_path / "leftImg8bit/train/aachen/a_1_leftImg8bit.png", np.zeros((1, 6, 3), np.uint8))
    given = raw if ending == "labelIds" else trained
    save(tmp_path / f"gtFine/train/aachen/a_1_gtFine_{ending}.png", given)
    dataset = read(tmp_path, view="classes")
    assert dataset.format == "cityscapes" and dataset.labels[11] == "person" and len(dataset.colors) == 19
    assert class_map(only(dataset)).tolist() == trained.tolist()


def test_cityscapes_numbers_that_there_are_not(tmp_path: Path) -> None:
    save(tmp_path / "leftImg8bit/train/aachen/a_1_leftImg8bit.png", np.zeros((1, 2, 3), np.uint8))
    save(tmp_path / "gtFine/train/aachen/a_1_gtFine_labelIds.png", np.array([[7, 77]], np.uint8))
    with pytest.raises(OcellusError, match="value 77 on 1 pixels"):
        class_map(only(read(tmp_path, view="classes")))


def test_real_cityscapes(shared: Path) -> None:
    """Instance ids // 1000 say the same class; maps without pictures are told."""
    dataset = read(shared / "data/street", view="classes")
    assert len(dataset) == 8 and {one.kind for one in dataset.findings} == {"label-map-unused"}
    record = dataset.splits["train"][0]
    ids = np.asarray(Image.open(record.source.replace("labelIds", "instanceIds"))).astype(int)
    numbers = np.where(ids >= 1000, ids // 1000, ids)
    found = class_map(record)
    for label, number in enumerate(dataset.label_ids):
        assert ((found == label) == (numbers == number)).all()
    assert ((found == 255) == ~np.isin(numbers, dataset.label_ids)).all()


# VOC


def voc(folder: Path, ids: np.ndarray, *, names: tuple[str, ...] = ("a", "b", "c")) -> Path:
    for name in names:
        save(folder / f"JPEGImages/{name}.jpg", np.zeros((*ids.shape, 3), np.uint8))
        image = Image.fromarray(ids, "P")
        image.putpalette([channel for number in range(256) for channel in color(number)])
        (folder / "SegmentationClass").mkdir(exist_ok=True)
        image.save(folder / f"SegmentationClass/{name}.png")
    return folder


def test_vocs_colours() -> None:
    """Of the development kit's table."""
    known = {1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {number: color(number) for number in known} == known


def test_voc_reads_its_21_classes_and_its_lists(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 15, 20, 255]], np.uint8)
    voc(tmp_path, ids)
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    dataset = read(tmp_path, view="classes")
    assert dataset.format == "voc_classes" and dataset.labels[15] == "person" and len(dataset.labels) == 21
    names = {split: [record.name for record in held] for split, held in dataset.splits.items()}
    assert names == {"train": ["a.jpg"], "val": ["b.jpg"]}
    assert dataset.findings == ()  # the third is in no list, as most of VOC's are
    assert class_map(dataset.splits["train"][0]).tolist() == ids.tolist()
    assert dataset.colors[15] == (192, 128, 128)


def test_vocs_colours_as_rgb(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 15, 20, 255]], np.uint8)
    voc(tmp_path, ids, names=("a",))
    Image.open(tmp_path / "SegmentationClass/a.png").convert("RGB").save(tmp_path / "SegmentationClass/a.png")
    assert class_map(only(read(tmp_path, view="classes"))).tolist() == ids.tolist()


def test_voc_with_a_list_of_its_own(tmp_path: Path) -> None:
    """As annotation tools export it: colours in labelmap.txt."""
    voc(tmp_path, np.zeros((1, 2), np.uint8), names=("a",))
    save(tmp_path / "SegmentationClass/a.png", np.array([[[0, 0, 0], [250, 50, 83]]], np.uint8))
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:\nground:0,0,0::\ncat:250,50,83::\n")
    dataset = read(tmp_path, view="classes")
    assert dataset.labels.names == ("ground", "cat")
    assert class_map(only(dataset)).tolist() == [[0, 1]]


# COCO panoptic


def panoptic(folder: Path) -> Path:
    save(folder / "images/val2017/7.jpg", np.zeros((1, 4, 3), np.uint8))
    ids = [0, 300, 300, 5_000_000]
    pixels = np.array([[[one % 256, one // 256 % 256, one // 65536] for one in ids]], np.uint8)
    save(folder / "annotations/panoptic_val2017/7.png", pixels)
    page = {
        "images": [{"id": 7, "file_name": "7.jpg", "width": 4, "height": 1}],
        "annotations": [
            {"image_id": 7, "file_name": "7.png",
             "segments_info": [{"id": 300, "category_id": 200, "iscrowd": 0},
                               {"id": 5_000_000, "category_id": 1, "iscrowd": 1}]}
        ],
        "categories": [{"id": 200, "name": "rug", "color": [1, 2, 3]},
                       {"id": 1, "name": "person", "color": [4, 5, 6]}],
    }  # fmt: skip
    (folder / "annotations/panoptic_val2017.json").write_text(json.dumps(page))
    return folder


@pytest.mark.parametrize("place", [".", "annotations/panoptic_val2017.json"])
def test_panoptic_segments_become_classes(place: str, tmp_path: Path) -> None:
    dataset = read(panoptic(tmp_path) / place, view="classes")
    assert dataset.format == "panoptic" and dataset.labels.names == ("person", "rug")
    assert dataset.colors == ((4, 5, 6), (1, 2, 3)) and dataset.label_ids == (1, 200)
    record = only(dataset)
    assert record.image.is_file()
    assert class_map(record).tolist() == [[255, 1, 1, 0]]


def test_panoptic_segments_that_the_json_does_not_list(tmp_path: Path) -> None:
    panoptic(tmp_path)
    file = tmp_path / "annotations/panoptic_val2017.json"
    file.write_text(file.read_text().replace('"category_id": 200', '"category_id": 99'))
    with pytest.raises(OcellusError, match=r"7\.png holds value 300 on 2 pixels"):
        class_map(only(read(tmp_path, view="classes")))


# Objects


def coco(folder: Path, annotations: list[dict[str, object]]) -> Path:
    save(folder / "images/a.jpg", np.zeros((4, 6, 3), np.uint8))
    page = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}],
        "annotations": [{"id": place, "image_id": 1, **one} for place, one in enumerate(annotations, 1)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
    }
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations/instances.json").write_text(json.dumps(page))
    return folder


def rectangle(category: int, x: int, y: int, width: int, height: int, **more: object) -> dict[str, object]:
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {"category_id": category, "bbox": [x, y, width, height], "segmentation": [ring], **more}


def test_objects_are_painted_small_ones_on_top(tmp_path: Path) -> None:
    """Whatever their order; a crowd region is ignored but where an object is known."""
    crowd = {"category_id": 3, "bbox": [4, 0, 2, 4], "iscrowd": 1,
             "segmentation": {"size": [4, 6], "counts": [16, 8]}}  # fmt: skip
    dataset = read(
        coco(tmp_path, [rectangle(5, 1, 1, 1, 1), rectangle(3, 0, 0, 5, 3), crowd]), view="classes"
    )
    assert dataset.labels.names == ("background", "cat", "dog")
    assert class_map(only(dataset)).tolist() == [
        [1, 1, 1, 1, 1, 255],
        [1, 2, 1, 1, 1, 255],
        [1, 1, 1, 1, 1, 255],
        [0, 0, 0, 0, 255, 255],
    ]
    assert [one.label for one in only(dataset).annotations] == [2, 1, 1]


def test_an_object_that_is_only_a_box_has_no_pixels(tmp_path: Path) -> None:
    box = {"category_id": 3, "bbox": [1, 1, 2, 2]}
    with pytest.raises(OcellusError, match=r"annotation 1: the object has no outline or mask; draw it, or"):
        class_map(only(read(coco(tmp_path, [box]), view="classes")))


def test_real_objects_are_where_instances_are(shared: Path) -> None:
    from ocellus.data.instances import instances

    objects = read(shared / "data/nuclei")
    classes = read(shared / "data/nuclei", view="classes")
    for one, other in zip(objects.splits["val"][:5], classes.splits["val"][:5], strict=True):
        masks = instances(one, objects).masks
        assert masks is not None
        assert (masks.dense().any(dim=0).numpy() == (class_map(other) == 1)).all()


def test_a_form_or_view_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(OcellusError, match="no format 'cityscapes'"):
        read(tmp_path, form="cityscapes")
    with pytest.raises(OcellusError, match="no view 'pixels'"):
        read(tmp_path, view="pixels")  # type: ignore[arg-type]
    save(tmp_path / "b.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(OcellusError, match="no annotated classes"):
        read(tmp_path, view="classes")
