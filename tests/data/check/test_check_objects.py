"""The data doctor on annotations and classes: each fault alone, and none where there is none."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocellus.data.check import Check, check
from ocellus.data.dataset import Annotation, Dataset, Finding, Lazy, Record
from ocellus.data.findings import KINDS, finding
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import runs

SIZE = (48, 64)
SKELETON = Skeleton(names=("left", "right"), flip_pairs=((0, 1),))
SQUARE = np.array([[10, 10], [20, 10], [20, 20], [10, 20]], np.float64)
GOOD = Annotation(
    label=0, box=(10, 10, 20, 20), rings=(SQUARE,), keypoints=((11, 11, 2), (0, 0, 0)), source="no. 1"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.new("RGB", SIZE[::-1], (20, 30, 40)).save(path)
    return path


def examined(
    picture: Path, *annotations: Annotation, names: tuple[str, ...] = ("thing",), **fields: Any
) -> Check:
    record = Record(image=picture, name="a.png", size=SIZE, annotations=annotations, source="labels.json")
    splits = fields.pop("splits", {"train": (record,)})
    return check(
        Dataset(
            root=picture.parent,
            format="coco",
            labels=LabelMap(names),
            splits=splits,
            skeleton=SKELETON,
            **fields,
        )
    )


def kinds(result: Check) -> list[str]:
    """Kinds found, without those that say how few pictures these tests have."""
    scarce = ("class-rare", "split-no-val", "picture-in-splits", "picture-twice")
    return [one.kind for one in result.findings if one.kind not in scarce]


def mask(top: int = 10, left: int = 10, side: int = 10, size: tuple[int, int] = SIZE) -> np.ndarray:
    return runs.encode(np.ones((side, side), bool), size=size, top=top, left=left)


def ring(*points: tuple[float, float]) -> tuple[np.ndarray, ...]:
    return (np.array(points, np.float64).reshape(-1, 2),)


CASES = {
    "label-unknown": replace(GOOD, label=1),
    "annotation-shapeless": Annotation(label=0),
    "coordinate-nan": replace(GOOD, box=(10, math.nan, 20, 20)),
    "box-empty": replace(GOOD, box=(10, 10, 10, 20)),
    "box-outside": Annotation(label=0, box=(64, 0, 70, 10)),
    "box-over-edge": Annotation(label=0, box=(50, 10, 65.5, 20)),
    "box-mask-apart": replace(GOOD, box=(30, 10, 40, 20)),
    "polygon-short": replace(GOOD, rings=(SQUARE, SQUARE[:2])),
    "polygon-over-edge": Annotation(label=0, rings=ring((10, 10), (20, 10), (20, 50))),
    "mask-size": Annotation(label=0, counts=mask(size=(64, 48)), run_size=(64, 48)),
    "mask-runs": Annotation(label=0, counts=np.array([10, 20], np.int32), run_size=SIZE),
    "mask-empty": Annotation(label=0, counts=np.array([48 * 64], np.int32), run_size=SIZE),
    "keypoint-count": replace(GOOD, keypoints=((11, 11, 2),)),
    "keypoint-outside": replace(GOOD, keypoints=((11, 11, 2), (70, 11, 1))),
    "keypoint-visibility": replace(GOOD, keypoints=((11, 11, 2), (12, 11, 3))),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_fault_alone(picture: Path, kind: str) -> None:
    result = examined(picture, GOOD, CASES[kind])
    assert kinds(result) == [kind]
    only = next(one for one in result.findings if one.kind == kind)
    assert only.severity == KINDS[kind].severity
    assert only.file == "labels.json"
    assert "object 2" in only.where or "no. 1" in only.where
    assert only.message.endswith(KINDS[kind].cure)
    assert result.refuses == (only.severity == "refuse")


SOUND = {
    "all at once": GOOD,
    "rounding over the edge": Annotation(label=0, box=(50, 10, 64.9, 48.5)),
    "the whole picture": Annotation(label=0, box=(0, 0, 64, 48)),
    "mask": Annotation(label=0, box=(10, 10, 20, 20), counts=mask(), run_size=SIZE),
    "a thin thing": Annotation(label=0, box=(10, 10, 10.4, 20), rings=ring((10, 10), (12, 10), (12, 20))),
    "a point not given outside": replace(GOOD, keypoints=((11, 11, 2), (-50, -50, 0))),
    "a hole": replace(GOOD, rings=(SQUARE, SQUARE[::-1] * 0.2 + 12)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_annotations_pass(picture: Path, name: str) -> None:
    assert kinds(examined(picture, SOUND[name])) == []


def test_each_coordinate_may_be_not_finite(picture: Path) -> None:
    bad_ring = SQUARE.copy()
    bad_ring[2, 1] = math.inf
    for annotation in (
        replace(GOOD, rings=(SQUARE, bad_ring)),
        replace(GOOD, keypoints=((1, math.nan, 2), (0, 0, 0))),
    ):
        assert kinds(examined(picture, annotation)) == ["coordinate-nan"]


def test_annotated_twice(picture: Path) -> None:
    again = replace(GOOD, rings=(SQUARE.copy(),), source="no. 2")
    result = examined(picture, GOOD, again)
    assert kinds(result) == ["annotation-twice"]
    assert result.findings[0].where.endswith("no. 2")
    assert result.findings[0].value == "the same as no. 1"
    moved = replace(again, box=(10, 10, 20, 20.5))
    assert kinds(examined(picture, GOOD, moved)) == []


def test_sizes_written_as_corners_are_seen_through(picture: Path) -> None:
    """Corners where width and height belong: the boxes reach far over the edge."""
    corners = [(x, y, x + 15, y + 12) for x in (20, 30, 40) for y in (5, 15, 25)]
    good = [Annotation(label=0, box=box) for box in corners]
    bad = [Annotation(label=0, box=(a, b, a + c, b + d)) for a, b, c, d in corners]
    assert "boxes-misread" not in kinds(examined(picture, *good))
    result = examined(picture, *bad)
    assert kinds(result)[0] == "boxes-misread"
    assert result.refuses


def test_names(picture: Path) -> None:
    names = ("car", "Car", "traffic light", "trafficlight", "가", "\u1100\u1161", "bus", " ")
    result = examined(picture, *(replace(GOOD, label=label) for label in range(len(names))), names=names)
    alike = [one.value for one in result.findings if one.kind == "names-alike"]
    assert alike == ["'car', 'Car'", "'traffic light', 'trafficlight'", "'가', '\u1100\u1161'"]
    assert kinds(result).count("name-blank") == 1
    assert not result.refuses


def test_class_numbers(picture: Path) -> None:
    def ids(*numbers: int) -> dict[str, str]:
        names = tuple(f"class {number}" for number in numbers)
        objects = (
            replace(GOOD, label=label, box=(10, 10, 20, 20 + label / 10)) for label in range(len(names))
        )
        result = examined(picture, *objects, names=names, label_ids=numbers)
        return {one.kind: one.value for one in result.findings if one.kind.startswith("label-ids")}

    assert ids(1, 2, 3) == {}
    assert ids(0, 1, 2) == {"label-ids-from-zero": "class 0"}
    assert ids(1, 2, 5, 7) == {"label-ids-gaps": "1 to 7 without 3, 4, 6"}


def test_classes_counted_from_one_where_the_format_counts_from_zero(picture: Path) -> None:
    lost = Annotation(
        label=-1,
        box=(1, 1, 9, 9),
        findings=(finding("label-unknown", "a.txt", where="line 2", value="class 2"),),
    )
    record = Record(image=picture, name="a.png", annotations=(replace(GOOD, label=1), lost))
    sound = replace(record, annotations=(replace(GOOD, label=0), lost))
    for annotated, wanted in ((record, {"label-unknown", "label-ids-from-one"}), (sound, {"label-unknown"})):
        labels, splits = LabelMap(("cat", "dog")), {"train": (annotated,)}
        yolo = Dataset(root=picture.parent, format="yolo", labels=labels, splits=splits, skeleton=SKELETON)
        assert {one.kind for one in check(yolo).findings if one.kind.startswith("label")} == wanted


def test_annotations_that_cannot_be_read_are_a_finding(picture: Path) -> None:
    def load() -> tuple[Annotation, ...]:
        raise OcellusError("mask.png is not a readable mask")

    record = Record(image=picture, name="a.png", annotations=Lazy(load, 3), source="a.xml")
    result = examined(picture, splits={"train": (record,), "val": ()})
    assert "file-unreadable" in kinds(result)
    assert "mask.png" in result.findings[0].message


def test_annotations_are_read_once(picture: Path) -> None:
    loads: list[int] = []

    def load() -> tuple[Annotation, ...]:
        loads.append(1)
        return (GOOD,)

    examined(picture, splits={"train": (Record(image=picture, name="a.png", annotations=Lazy(load)),)})
    assert loads == [1]


def test_class_counts(picture: Path) -> None:
    def record(*labels: int) -> Record:
        boxes = [
            Annotation(label=label, box=(i % 60, i / 60, i % 60 + 2, i / 60 + 2))
            for i, label in enumerate(labels)
        ]
        return Record(image=picture, name="a.png", size=SIZE, annotations=tuple(boxes))

    names = ("many", "rare", "only in val", "nowhere")
    splits = {"train": (record(*[0] * 101, 1),), "val": (record(0, 2),)}
    result = examined(picture, names=names, splits=splits)
    values = {one.kind: one.value for one in result.findings}
    assert values["class-unused"] == "nowhere"
    assert values["class-untrained"] == "only in val: 1 in val"
    assert values["class-rare"] == "rare: 1 in train"
    assert values["class-imbalance"] == "many: 101, rare: 1"
    assert result.objects == {
        "train": {"many": 101, "rare": 1, "only in val": 0, "nowhere": 0},
        "val": {"many": 1, "rare": 0, "only in val": 1, "nowhere": 0},
    }
    balanced = {"train": (record(*[0] * 100, 1),), "val": (record(0),)}
    assert "class-imbalance" not in kinds(examined(picture, names=names, splits=balanced))


def test_crowds_are_counted_apart(picture: Path) -> None:
    result = examined(picture, GOOD, replace(GOOD, crowd=True))
    assert result.objects["train"] == {"thing": 1}
    assert result.crowds == {"train": 1}


def test_splits(picture: Path) -> None:
    bare = Record(image=picture, name="a.png")
    full = replace(bare, annotations=(GOOD,))
    expected = {
        "nothing to train on": ({"val": (full,)}, {"split-empty", "class-untrained"}),
        "nothing annotated": ({"train": (bare,), "val": (bare,)}, {"nothing-annotated", "class-unused"}),
        "a background picture": ({"train": (full, bare), "val": (full,)}, {"picture-empty"}),
        "no pictures": ({}, {"split-empty", "class-unused"}),
    }
    for name, (splits, wanted) in expected.items():
        assert set(kinds(examined(picture, splits=splits))) == wanted, name


def test_sides_and_sizes_are_counted(picture: Path) -> None:
    boxes = [(0, 0, 4, 4), (0, 0, 8, 8), (0, 0, 15.9, 15.9), (0, 0, 40, 40)]
    result = examined(
        picture, *(Annotation(label=0, box=box) for box in boxes), Annotation(label=0, rings=(SQUARE,))
    )
    assert {side: count for side, count in result.object_sides.items() if count} == {
        "0-8": 1,
        "8-16": 3,
        "32-64": 1,
    }
    assert result.picture_sizes == {SIZE: 1}


def test_findings_of_the_reader_are_kept_and_refusals_come_first(picture: Path) -> None:
    from_reader = finding("annotation-orphan", "labels.json", where="annotation 7", value="image 12")
    result = examined(picture, replace(GOOD, box=(50, 10, 66, 20), rings=None), findings=(from_reader,))
    assert result.findings[0] is from_reader
    severities = [one.severity for one in result.findings]
    assert severities == sorted(severities)  # "refuse" before "warn"
    assert result.refuses


def test_everything_goes_to_json(picture: Path) -> None:
    result = examined(picture, *CASES.values())
    data = json.loads(json.dumps(result.to_dict()))
    assert data["refuses"] is True
    assert data["pictures"] == {"train": 1}
    assert data["picture_sizes"] == [{"height": 48, "width": 64, "count": 1}]
    assert [Finding(**one) for one in data["findings"]] == list(result.findings)


def test_every_kind_in_the_code_is_in_the_table_and_the_reverse() -> None:
    """A kind that nothing finds, or one that the table does not explain, is a promise broken."""
    import re

    package = Path(__file__).resolve().parents[3] / "ocellus"
    code = "\n".join(
        path.read_text() for path in (package / "data").rglob("*.py") if path.name != "findings.py"
    )
    never = {kind for kind in KINDS if f'"{kind}"' not in code}
    assert never <= {"annotation-orphan", "annotation-unreadable", "picture-unannotated", "mask-value"} | {
        kind for kind in KINDS if kind.startswith("label-ids")
    }
    named = set(re.findall(r'finding\(\s*"([a-z-]+)"', code))
    assert named <= set(KINDS)


def test_a_smoothed_mask_is_no_crowd_of_objects(tmp_path: Path) -> None:
    from ocellus.data.read import read

    chance = np.random.default_rng(0)
    disc = Image.fromarray(((np.indices((120, 160)) - 60) ** 2).sum(axis=0) < 1600)
    numbered = np.zeros((120, 160), np.uint8)
    for number in range(1, 13):  # true numbers: one large, eleven small
        numbered[:, 13 * number - 12 : 13 * number] = number if number == 12 else 0
        numbered[4 * number : 4 * number + 2, 1:3] = number
    masks = {
        "sharp": disc.convert("L"),
        "smoothed": disc.convert("L").resize((80, 60), Image.Resampling.BICUBIC).resize((160, 120), 2),
        "numbered": Image.fromarray(numbered),
    }
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, mask in masks.items():
        mask.save(tmp_path / "masks" / f"{name}.png")
        noise = chance.integers(0, 256, (120, 160, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "images" / f"{name}.png")
    found = [one for one in check(read(tmp_path)).findings if one.severity == "refuse"]
    assert [(one.kind, Path(one.file).name) for one in found] == [("mask-smoothed", "smoothed.png")]
