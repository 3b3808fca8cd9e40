"""What is written and read again is the same: masks to the pixel, classes, boxes, points, crowds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from ocellus.data.instances import instances as instances_of
from ocellus.data.read import read
from ocellus.data.write import coco, id_masks, labelme, voc, yolo
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap, Skeleton
from ocellus.values import Instances, Masks, Picture

LABELS = LabelMap(("고양이", "dog", "빨간 사과"))
POINTS = Skeleton(
    names=("왼눈", "오른눈", "tail"), flip_pairs=((0, 1),), edges=((0, 1), (1, 2)), sigmas=(0.02, 0.03, 0.1)
)
Items = list[tuple[str, Instances]]
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def scenes(draw: st.DrawFn, *, points: bool = False, crowd: bool = True, apart: bool = False) -> Items:
    """A few pictures: random blobs with holes and separate parts, lone pixels, whole pictures."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    items = []
    for place in range(draw(st.integers(1, 3))):
        height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
        masks = []
        taken = np.zeros((height, width), bool)
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(("blobs", "noise", "pixel", "whole", "ring")))
            mask = _mask(kind, rng, height, width)
            if apart:
                mask &= ~taken
            if mask.any():
                taken |= mask
                masks.append(mask)
        found = Masks.from_dense(np.array(masks)) if masks else None
        count = len(masks)
        keypoints = None
        if points:
            seen = rng.integers(0, 3, (count, 3, 1))
            where = rng.uniform(0, 1, (count, 3, 2)) * (width, height) * (seen > 0)
            keypoints = torch.tensor(np.concatenate((where, seen), axis=2), dtype=torch.float32)
        item = Instances(
            size=(height, width),
            boxes=found.bounds().float() if found is not None else torch.zeros(0, 4),
            labels=torch.tensor(rng.integers(0, 3, count), dtype=torch.int64),
            masks=found,
            keypoints=keypoints,
            crowd=torch.tensor(rng.random(count) < 0.3 * crowd),
            areas=found.areas().float() if found is not None else torch.zeros(0),
            names=LABELS.names,
            picture=Picture(pixels=torch.zeros(3, height, width, dtype=torch.uint8)),
        )
        items.append((f"한글 폴더/그림 {place}.png", item))
    return items


def _mask(kind: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    if kind == "blobs":
        return ndimage.gaussian_filter(rng.random((height, width)), 2) > 0.5
    if kind == "noise":
        return rng.random((height, width)) < 0.4
    if kind == "whole":
        return np.ones((height, width), bool)
    mask = np.zeros((height, width), bool)
    y, x = rng.integers(0, height), rng.integers(0, width)
    mask[y, x] = True
    if kind == "ring":
        mask = ndimage.binary_dilation(mask, iterations=5)
        mask[y, x] = False
    return mask


def there_and_back(
    writer: ModuleType, items: Items, folder: Path, *, skeleton: Skeleton | None = None
) -> Items:
    """What is read of what was written, in the order of the names."""
    writer.write(items, folder, labels=LABELS, skeleton=skeleton)
    dataset = read(folder, val_fraction=0)
    assert dataset.labels == LABELS
    assert dataset.skeleton == skeleton
    back = {
        record.name: instances_of(record, dataset) for _, record in dataset.records() if record.image.exists()
    }
    pictures = {name: item.picture for name, item in items}
    return [(name, _with_picture(back[name], pictures[name])) for name in sorted(back)]


def _with_picture(found: Instances, picture: Picture | None) -> Instances:
    from dataclasses import replace

    return replace(found, picture=picture)


def key(item: Instances, index: int) -> tuple[int, bytes]:
    assert item.masks is not None
    return int(item.labels[index]), item.masks.run_lengths(index).tobytes()


def check_same(
    before: Items, after: Items, *, crowd: bool = True, masks: bool = True, points: bool = False
) -> None:
    """Equal but for the order of objects, which an id mask does not keep."""
    assert [name for name, _ in sorted(before)] == [name for name, _ in after]
    for (name, one), (_, two) in zip(sorted(before, key=lambda item: item[0]), after, strict=True):
        assert len(one) == len(two), name
        if not len(one):
            continue
        order = (
            (
                sorted(range(len(one)), key=lambda i: key(one, i)),
                sorted(range(len(two)), key=lambda i: key(two, i)),
            )
            if masks
            else (list(range(len(one))),) * 2
        )
        one, two = one[order[0]], two[order[1]]
        assert one.size == two.size
        assert one.labels.tolist() == two.labels.tolist()
        torch.testing.assert_close(one.boxes, two.boxes, atol=1e-4, rtol=0)
        if masks:
            assert one.masks is not None and two.masks is not None
            assert torch.equal(one.masks.counts, two.masks.counts)
            assert torch.equal(one.areas, two.areas)
        if crowd:
            assert torch.equal(one.crowd, two.crowd)
        if points:
            torch.testing.assert_close(one.keypoints, two.keypoints, atol=1e-4, rtol=0)


@FEW
@given(scenes(points=True))
def test_coco_keeps_everything(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_same(items, there_and_back(coco, items, Path(folder) / "자료", skeleton=POINTS), points=True)


@FEW
@given(scenes(points=True))
def test_labelme_keeps_everything(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_same(items, there_and_back(labelme, items, Path(folder) / "자료", skeleton=POINTS), points=True)


@FEW
@given(scenes(crowd=False))
def test_yolo_keeps_masks_with_holes_and_parts(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_same(items, there_and_back(yolo, items, Path(folder) / "자료"))


@FEW
@given(scenes(points=True, crowd=False))
def test_yolo_keeps_boxes_and_keypoints(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = there_and_back(yolo, items, Path(folder) / "자료", skeleton=POINTS)
        check_same(items, found, masks=False, points=True)


@FEW
@given(scenes(crowd=False, apart=True))
def test_id_masks_keep_masks_that_do_not_overlap(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_same(items, there_and_back(id_masks, items, Path(folder) / "자료"))


@FEW
@given(scenes(crowd=False, apart=True))
def test_voc_keeps_boxes_and_masks_that_do_not_overlap(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_same(items, there_and_back(voc, items, Path(folder) / "자료"))


@FEW
@given(scenes(crowd=False, apart=True))
def test_from_format_to_format_and_back(items: Items) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = items
        for step, writer in enumerate((coco, labelme, yolo, id_masks, voc, coco)):
            found = there_and_back(writer, found, Path(folder) / str(step))
        check_same(items, found)


def one(mask: np.ndarray, **fields: object) -> Instances:
    masks = Masks.from_dense(mask[None])
    usual = {"areas": masks.areas().float(), "boxes": masks.bounds().float()}
    return Instances(size=mask.shape, labels=torch.tensor([0]), masks=masks, **{**usual, **fields})


def test_the_annotators_vertices_come_back(tmp_path: Path) -> None:
    """Polygons whose format fills them to the same pixels are written as they were drawn."""
    ring = np.array([(2.25, 1.5), (17.75, 3.0), (9.5, 16.125)])
    masks = Masks.from_polygons([[ring]], (20, 20))
    item = Instances(
        size=(20, 20), boxes=torch.tensor([[2.25, 1.5, 17.75, 16.125]]), labels=torch.tensor([1]), masks=masks
    )
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    labelme.write([("a.png", item)], tmp_path, labels=LABELS)
    dataset = read(tmp_path, val_fraction=0)
    (record,) = dataset.splits["train"]
    assert record.annotations[0].rings[0].tolist() == ring.tolist()


@pytest.mark.parametrize(
    ("writer", "fields", "kind"),
    [
        (yolo, {"crowd": torch.tensor([True])}, "crowd-not-held"),
        (yolo, {"scores": torch.tensor([0.5])}, "score-not-held"),
        (yolo, {"boxes": torch.tensor([[0.0, 0.0, 9.0, 9.0]])}, "box-not-held"),
        (yolo, {"keypoints": torch.ones(1, 3, 3)}, "keypoints-not-held"),
        (labelme, {"areas": torch.tensor([99.0])}, "area-not-held"),
        (id_masks, {"crowd": torch.tensor([True])}, "crowd-not-held"),
        (id_masks, {"keypoints": torch.ones(1, 3, 3)}, "keypoints-not-held"),
        (voc, {"crowd": torch.tensor([True])}, "crowd-not-held"),
    ],
)
def test_what_is_lost_is_said(
    writer: ModuleType, fields: dict[str, object], kind: str, tmp_path: Path
) -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:8] = True
    found = writer.write([("a.png", one(mask, **fields))], tmp_path, labels=LABELS)
    assert [finding.kind for finding in found] == [kind]
    assert "a.png" in found[0].where
    assert writer.write([("b.png", one(mask))], tmp_path / "b", labels=LABELS) == ()


def test_yolo_says_that_masks_give_way_to_keypoints(tmp_path: Path) -> None:
    found = yolo.write(
        [("a.png", one(np.ones((4, 4), bool), keypoints=torch.ones(1, 3, 3)))],
        tmp_path,
        labels=LABELS,
        skeleton=POINTS,
    )
    assert [finding.kind for finding in found] == ["mask-not-held"]


def test_id_masks_say_that_objects_overlap_and_keep_the_better(tmp_path: Path) -> None:
    masks = np.zeros((2, 4, 6), bool)
    masks[0, :, :4], masks[1, :, 2:] = True, True
    dense = Masks.from_dense(masks)
    item = Instances(
        size=(4, 6),
        boxes=dense.bounds().float(),
        labels=torch.tensor([0, 0]),
        masks=dense,
        scores=torch.tensor([0.3, 0.9]),
    )
    found = id_masks.write([("a.png", item)], tmp_path, labels=LabelMap(("x",)))
    assert {finding.kind for finding in found} == {"overlap-not-held", "score-not-held"}
    ids = np.asarray(Image.open(tmp_path / "masks" / "a.png"))
    assert ids.dtype == np.uint16
    assert ids.tolist() == [[1, 1, 2, 2, 2, 2]] * 4


def test_id_masks_of_boxes_are_refused(tmp_path: Path) -> None:
    item = Instances(size=(4, 4), boxes=torch.ones(1, 4), labels=torch.tensor([0]))
    with pytest.raises(OcellusError, match=r"a\.png have no masks"):
        id_masks.write([("a.png", item)], tmp_path, labels=LABELS)


@pytest.mark.parametrize("name", ["../a.png", "/a.png"])
def test_names_stay_inside_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match="inside the folder"):
        coco.write([(name, Instances.empty((4, 4)))], tmp_path, labels=LABELS)


def test_two_pictures_cannot_share_a_file(tmp_path: Path) -> None:
    items = [(name, Instances.empty((4, 4))) for name in ("a.png", "a.jpg")]
    with pytest.raises(OcellusError, match="share one annotation file"):
        yolo.write(items, tmp_path, labels=LABELS)
    assert not list((tmp_path).rglob("*.part"))


@pytest.mark.parametrize("writer", [coco, labelme, yolo, id_masks, voc])
def test_names_make_the_splits(writer: ModuleType, tmp_path: Path) -> None:
    items = []
    for name in ("train/a.png", "train/sub/b.png", "val/a.png"):
        picture = Picture(pixels=torch.zeros(3, 4, 4, dtype=torch.uint8))
        items.append((name, one(np.ones((4, 4), bool), picture=picture)))
    writer.write(items, tmp_path, labels=LABELS)
    dataset = read(tmp_path)
    found = {split: [record.name for record in records] for split, records in dataset.splits.items()}
    assert found == {"train": ["train/a.png", "train/sub/b.png"], "val": ["val/a.png"]}
    assert dataset.split_rule == "the format's own split"
    assert not dataset.findings


def test_coco_results_are_what_pycocotools_loads(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:8] = True
    truth = one(mask)
    coco.write([("a.png", truth)], tmp_path, labels=LABELS)
    prediction = one(mask, scores=torch.tensor([0.875]))
    coco.write_results(
        [("a.png", prediction)], tmp_path / "results.json", image_ids={"a.png": 1}, label_ids=(1, 2, 3)
    )
    ground = COCO(str(tmp_path / "annotations" / "instances.json"))
    found = ground.loadRes(str(tmp_path / "results.json"))
    (annotation,) = found.loadAnns(found.getAnnIds())
    assert annotation["score"] == 0.875
    assert annotation["category_id"] == 1
    assert annotation["bbox"] == [3, 2, 5, 3]
    assert (found.annToMask(annotation) == mask).all()
    assert (ground.annToMask(ground.loadAnns(ground.getAnnIds())[0]) == mask).all()
    with pytest.raises(OcellusError, match=r"b\.png has no image id"):
        coco.write_results([("b.png", prediction)], tmp_path / "x.json", image_ids={"a.png": 1})
    assert not (tmp_path / "x.json").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a file where a folder should be")
    with pytest.raises(OcellusError, match=r"cannot write .*labels"):
        yolo.write([("a.png", Instances.empty((4, 4)))], tmp_path, labels=LABELS)
