"""LabelMe: every shape, groups with holes, points as keypoints, and shapes that are no object."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocellus.data.instances import instances
from ocellus.data.read import read


def shape(
    label: str, points: list[Any], kind: str = "polygon", group: int | None = None, **more: Any
) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": group, "flags": {}} | more


def make(folder: Path, *shapes: dict[str, Any], name: str = "a") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    Image.new("RGB", (40, 30)).save(folder / f"{name}.png")
    data = {
        "shapes": list(shapes),
        "imagePath": f"{name}.png",
        "imageHeight": 30,
        "imageWidth": 40,
        "imageData": None,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


SQUARE = [[2, 2], [12, 2], [12, 12], [2, 12]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6]]


def test_a_group_is_one_object_with_holes_and_parts(tmp_path: Path) -> None:
    part = [[20, 5], [25, 5], [25, 10], [20, 10]]
    make(
        tmp_path,
        shape("고양이", SQUARE, group=1),
        shape("고양이", HOLE, group=1),
        shape("고양이", part, group=1),
        shape("dog", SQUARE),
    )
    dataset = read(tmp_path)
    assert dataset.labels.names == ("dog", "고양이")
    (record,) = dataset.splits["train"]
    found = instances(record, dataset)
    expected = np.zeros((30, 40), bool)
    expected[2:12, 2:12], expected[4:6, 4:6], expected[5:10, 20:25] = True, False, True
    assert (found.masks.dense().numpy()[0] == expected).all()
    assert found.areas.tolist() == [100 - 4 + 25, 100]
    assert found.boxes.tolist() == [[2, 2, 25, 12], [2, 2, 12, 12]]


def test_circles_rectangles_and_masks(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    drawn = np.zeros((4, 5), np.uint8)
    drawn[1, 2:] = 255
    Image.fromarray(drawn).save(buffer, "PNG")
    make(
        tmp_path,
        shape("x", [[20, 15], [20, 5]], "circle"),
        shape("x", [[12, 9], [3, 2]], "rectangle"),
        shape("x", [[30, 20], [34, 23]], "mask", mask=base64.b64encode(buffer.getvalue()).decode()),
    )
    dataset = read(tmp_path)
    (record,) = dataset.splits["train"]
    dense = instances(record, dataset).masks.dense().numpy()
    y, x = np.mgrid[:30, :40] + 0.5
    assert (dense[0] == (np.hypot(x - 20, y - 15) < 10)).all()
    assert dense[0].sum() == pytest.approx(math.pi * 100, rel=0.02)
    assert dense[1].sum() == dense[1, 2:9, 3:12].sum() == 63
    assert dense[2].sum() == dense[2, 21, 32:35].sum() == 3


def test_rectangles_alone_are_boxes(tmp_path: Path) -> None:
    make(tmp_path, shape("x", [[12, 9], [3, 2]], "rectangle"))
    dataset = read(tmp_path)
    found = instances(dataset.splits["train"][0], dataset)
    assert found.masks is None
    assert found.boxes.tolist() == [[3, 2, 12, 9]]


def test_points_of_a_group_are_keypoints(tmp_path: Path) -> None:
    make(
        tmp_path,
        shape("person", SQUARE, group=3),
        shape("left_eye", [[3, 4]], "point", 3),
        shape("right_eye", [[8, 4]], "point", 3, flags={"hidden": True}),
        shape("right_eye", [[20, 4]], "point", 4),
        shape("nose", [[1, 1]], "point"),
    )
    dataset = read(tmp_path)
    assert dataset.skeleton.names == ("left_eye", "right_eye")
    assert dataset.skeleton.flip_pairs == ((0, 1),)
    (record,) = dataset.splits["train"]
    found = instances(record, dataset)
    assert [found.name(index) for index in range(2)] == ["person", "object"]
    assert found.keypoints.tolist() == [[[3, 4, 2], [8, 4, 1]], [[0, 0, 0], [20, 4, 2]]]
    assert [(f.kind, f.where) for f in dataset.findings] == [("annotation-ignored", "shape 5")]


def test_shapes_that_are_no_object_are_found(tmp_path: Path) -> None:
    make(
        tmp_path,
        shape("x", SQUARE),
        shape("x", [[1, 2], [3, 4]], "line"),
        shape("x", [[1, "a"]]),
        shape("x", [[1, 1], [3, 3]], "mask", mask="!!"),
        shape("__ignore__", SQUARE),
        shape("z", SQUARE),
    )
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ny\nx\n")
    Image.new("RGB", (4, 4)).save(tmp_path / "alone.png")
    make(tmp_path, shape("x", SQUARE), name="cut").write_text('{"shapes": [')
    dataset = read(tmp_path)
    assert dataset.labels.names == ("y", "x")
    (record,) = dataset.splits["train"]
    assert [one.label for one in record.annotations] == [1, -1]
    assert [f.kind for f in record.annotations[1].findings] == ["label-unknown"]
    assert sorted((f.kind, f.where or Path(f.file).name) for f in dataset.findings) == [
        ("annotation-ignored", "shape 2"),
        ("annotation-ignored", "shape 5"),
        ("annotation-unreadable", "shape 3"),
        ("annotation-unreadable", "shape 4"),
        ("file-unreadable", "cut.json"),
        ("picture-unannotated", "alone.png"),
        ("picture-unannotated", "cut.png"),
    ]
