"""COCO files: every kind of segmentation, places of pictures, broken entries kept, big files."""

from __future__ import annotations

import json
import pickle
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as oracle

from ocellus.data import coco, json_stream
from ocellus.data.instances import instances
from ocellus.data.json_stream import elements, read_span
from ocellus.data.read import read
from ocellus.errors import OcellusError

SIZE = (30, 40)


def make(
    folder: Path, annotations: list[dict[str, Any]], name: str = "annotations/instances.json", **more: Any
) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": 1} | one for n, one in enumerate(annotations, 1)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
    } | more
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def mask() -> np.ndarray:
    dense = np.zeros(SIZE, np.uint8)
    dense[5:20, 4:30] = 1
    dense[8:12, 10:15] = 0
    return dense


def test_every_kind_of_segmentation(tmp_path: Path) -> None:
    packed = oracle.encode(np.asfortranarray(mask()))
    plain = []
    value, run = 0, 0
    for pixel in mask().T.ravel().tolist():
        if pixel != value:
            plain.append(run)
            value, run = pixel, 0
        run += 1
    polygons = [[3.5, 4.25, 20, 4, 20, 25.5], [30, 10, 38, 10, 38, 18, 30, 18]]
    make(
        tmp_path,
        [
            {
                "segmentation": {"size": list(SIZE), "counts": packed["counts"].decode()},
                "bbox": [4, 5, 26, 15],
            },
            {"segmentation": {"size": list(SIZE), "counts": [*plain, run]}, "iscrowd": 1, "category_id": 3},
            {"segmentation": polygons, "area": 123.5},
            {"bbox": [1, 2, 3.5, 4], "segmentation": []},
        ],
    )
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    found = instances(record, dataset)
    expected = oracle.decode(oracle.merge(oracle.frPyObjects(polygons, *SIZE)))
    dense = found.masks.dense().numpy()
    assert (dense[0] == mask()).all()
    assert (dense[1] == mask()).all()
    assert (dense[2] == expected).all()
    assert not dense[3].any()
    assert found.crowd.tolist() == [False, True, False, False]
    assert found.labels.tolist() == [0, 1, 0, 0]
    assert found.areas.tolist() == [mask().sum(), mask().sum(), 123.5, 14]
    assert found.boxes.tolist() == [[4, 5, 30, 20], [4, 5, 30, 20], [3.5, 4, 38, 25.5], [1, 2, 4.5, 6]]
    assert found.masks.polygons[3] == ()
    assert [ring.ravel().tolist() for ring in found.masks.polygons[2]] == polygons
    assert dataset.label_ids == (1, 3)


def test_what_is_wrong_stays_for_the_doctor(tmp_path: Path) -> None:
    make(
        tmp_path,
        [
            {"category_id": 99, "bbox": [0, 0, 2, 2]},
            {"bbox": [0, 0, "2", 2]},
            {"segmentation": [[1, 2, 3]]},
            {"segmentation": {"size": list(SIZE), "counts": [5, 5]}},
            {"segmentation": {"size": list(SIZE), "counts": "~~"}},
            {"segmentation": 5, "bbox": [1, 1, 2, 2]},
            {"image_id": 8, "bbox": [0, 0, 2, 2]},
            {"image_id": None},
            {"bbox": [0, 0, 5, 5]},
        ],
    )
    dataset = read(tmp_path)
    assert sorted(finding.kind for finding in dataset.findings) == [
        "annotation-orphan",
        "annotation-unreadable",
    ]
    (record,) = dataset.splits["train"]
    kinds = [tuple(finding.kind for finding in one.findings) for one in record.annotations]
    unreadable = ("annotation-unreadable",)
    assert kinds == [
        ("label-unknown",),
        unreadable,
        unreadable,
        ("mask-runs",),
        ("mask-runs",),
        unreadable,
        (),
    ]
    assert record.annotations[0].label == -1
    assert all("annotation " in f.where for one in record.annotations for f in one.findings)
    assert len(instances(record, dataset)) == 2


@pytest.mark.parametrize(
    ("name", "image", "json_name"),
    [
        ("annotations/instances_train2017.json", "train2017/a.jpg", "a.jpg"),
        ("annotations/instances_train.json", "images/train/a.jpg", "a.jpg"),
        ("annotations/instances.json", "images/a.jpg", "a.jpg"),
        ("annotations.json", "a.jpg", "a.jpg"),
        ("annotations.json", "deep/er/a.jpg", "deep/er/a.jpg"),
        ("annotations.json", "deep/a.jpg", "deep\\a.jpg"),
        ("annotations.json", "images/a.jpg", "C:\\work\\a.jpg"),
        ("train/_annotations.coco.json", "train/a.jpg", "a.jpg"),
        ("자료.json", "그림/고양이.jpg", "그림/고양이.jpg"),
        ("자료.json", unicodedata.normalize("NFD", "고양이.jpg"), "고양이.jpg"),
    ],
)
def test_pictures_are_found_where_they_usually_lie(
    name: str, image: str, json_name: str, tmp_path: Path
) -> None:
    images = [{"id": 7, "file_name": json_name, "height": SIZE[0], "width": SIZE[1]}]
    make(tmp_path, [{"bbox": [0, 0, 2, 2]}], name, images=images)
    (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1]).save(tmp_path / image)
    for place in (tmp_path, tmp_path / name):
        ((_, record),) = read(place, val_fraction=0).records()
        assert record.image == tmp_path / image
        assert len(record.annotations) == 1


def test_splits_and_kinds_of_files(tmp_path: Path) -> None:
    for split in ("train", "val"):
        make(tmp_path, [{"bbox": [0, 0, 2, 2]}], f"annotations/instances_{split}2017.json")
        make(tmp_path, [], f"annotations/person_keypoints_{split}2017.json")
        (tmp_path / f"annotations/captions_{split}2017.json").write_text('{"images": [], "annotations": []}')
    dataset = read(tmp_path)
    assert {split: len(held) for split, held in dataset.splits.items()} == {"train": 1, "val": 1}
    assert [Path(f.file).name for f in dataset.findings if f.kind == "file-unused"] == [
        "person_keypoints_train2017.json",
        "person_keypoints_val2017.json",
    ]
    assert list(read(tmp_path / "annotations/instances_val2017.json").splits) == ["val"]
    make(tmp_path, [], "annotations/instances_train2014.json")
    with pytest.raises(OcellusError, match=r"rival each other: .*instances_train2014\.json"):
        read(tmp_path)


def test_keypoints_and_their_skeleton(tmp_path: Path) -> None:
    category = {
        "id": 1,
        "name": "mouse",
        "keypoints": ["nose", "left_ear", "right_ear"],
        "skeleton": [[1, 2], [1, 3]],
    }
    points = [1, 2, 2, 3.5, 4, 1, 0, 0, 0]
    make(
        tmp_path,
        [{"keypoints": points, "bbox": [0, 0, 5, 5]}, {"keypoints": points[:6]}],
        categories=[category],
    )
    dataset = read(tmp_path)
    assert dataset.skeleton is not None
    assert dataset.skeleton.flip_pairs == ((1, 2),)
    assert dataset.skeleton.edges == ((0, 1), (0, 2))
    (record,) = dataset.splits["train"]
    assert [f.kind for f in record.annotations[1].findings] == ["keypoint-count"]
    assert instances(record, dataset).keypoints.tolist() == [[[1, 2, 2], [3.5, 4, 1], [0, 0, 0]]]


def test_real_keypoints(shared: Path) -> None:
    dataset = read(shared / "data/mouse")
    record = dataset.splits["train"][0]
    assert dataset.skeleton.names == ("snout", "leftear", "rightear", "tailbase")
    assert dataset.skeleton.flip_pairs == ((1, 2),)
    assert instances(record, dataset).keypoints.shape == (1, 4, 3)


def test_records_go_to_worker_processes(tmp_path: Path) -> None:
    make(tmp_path, [{"bbox": [0, 0, 2, 2]}, {"bbox": [1, 1, 2, 2]}])
    again = pickle.loads(pickle.dumps(read(tmp_path)))  # noqa: S301
    assert [one.box for one in again.splits["train"][0].annotations] == [(0, 0, 2, 2), (1, 1, 3, 3)]
    assert [one.box for one in again.splits["train"][0].annotations[1:]] == [(1, 1, 3, 3)]


def test_in_a_big_file_an_annotation_that_is_no_json_is_named_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path, [{"segmentation": [[1, 2, 3, 4, 5, 6]]}])
    path.write_text(path.read_text().replace("[1, 2, 3", "[1, 2,, 3"))
    with pytest.raises(OcellusError, match="not valid JSON at line 1, column"):
        read(tmp_path)
    monkeypatch.setattr(coco, "SKIMMED_FROM", 10)
    (record,) = read(tmp_path).splits["train"]
    with pytest.raises(OcellusError, match="not valid JSON at line 1, column"):
        list(record.annotations)


@pytest.mark.parametrize("window", [1, 7, 64, 1 << 20])
def test_pieces_of_a_file_are_those_of_json(
    window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "WINDOW", window)
    content = {
        "images": [1, -22, 3.5e2, '가"나[{', None, True],
        "info": {"a": [1, {"가": 'x\u0001"[{'}]},
        "한글": [
            {"image_id": 5, "text": 'brace } "image_id": 3,'},
            {"image_id": 6, "in": {"image_id": 7}},
            {"image_id": "x"},
        ],
        "n": 12345,
        "empty": [],
    }
    path = tmp_path / "a.json"
    for text in (
        json.dumps(content),
        json.dumps(content, ensure_ascii=False, indent=2),
        "\ufeff" + json.dumps(content),
    ):
        path.write_text(text, encoding="utf-8")
        found: dict[str, Any] = {"empty": []}
        skimmed = []
        for element in elements(path, skim=("한글", "image_id")):
            value = read_span(path, element.start, element.end)
            if element.listed:
                found.setdefault(element.key, []).append(value)
            else:
                found[element.key] = value
            if element.key == "한글":
                skimmed.append(element.value["image_id"])
        assert found == content
        assert skimmed == [5, 6, "x"]
