"""The data doctor on label maps: each fault alone, what values mean, and none where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.cli import main
from ocellus.data.check import Check, check
from ocellus.data.read import read
from ocellus.errors import OcellusError

SIZE = (20, 30)


def make(folder: Path, *, count: int = 8, names: str = "road\nsky\n") -> Path:
    """Pictures of noise, the left half of each road, a strip of it ignored, the rest sky."""
    chance = np.random.default_rng(0)
    for index in range(count):
        split = "val" if index % 4 == 3 else "train"
        labels = np.ones(SIZE, np.uint8)
        labels[:, :15] = 0
        labels[:2] = 255
        for kind, pixels in (("images", chance.integers(0, 256, (*SIZE, 3), np.uint8)), ("masks", labels)):
            file = folder / kind / split / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    (folder / "classes.txt").write_text(names)
    return folder


def mask(folder: Path, pixels: np.ndarray, index: int = 0) -> Path:
    file = folder / "masks" / ("val" if index % 4 == 3 else "train") / f"{index}.png"
    Image.fromarray(pixels).save(file)
    return file


def examined(folder: Path) -> Check:
    return check(read(folder, view="classes"), workers=1)


def told(result: Check) -> list[tuple[str, str, str]]:
    return [(one.kind, Path(one.file).name, one.value) for one in result.findings]


def test_a_sound_data_set_is_counted(tmp_path: Path) -> None:
    result = examined(make(tmp_path))
    assert told(result) == [] and not result.refuses and result.semantic
    assert result.pixels == {"train": {"road": 6 * 270, "sky": 6 * 270}, "val": {"road": 540, "sky": 540}}
    assert result.ignored == {"train": 6 * 60, "val": 2 * 60}
    assert result.values == (("0", "road", 8 * 270), ("1", "sky", 8 * 270), ("255", "ignored", 8 * 60))
    page = json.loads(json.dumps(result.to_dict()))
    assert page["values"][0] == {"value": "0", "class": "road", "pixels": 2160}


def test_unknown_values_are_refused_with_file_and_value(tmp_path: Path) -> None:
    make(tmp_path)
    labels = np.ones(SIZE, np.uint8)
    labels[0, :5], labels[1, :3] = 7, 200
    mask(tmp_path, labels)
    result = examined(tmp_path)
    assert result.refuses
    assert told(result) == [("mask-value", "0.png", "values 7 on 5 pixels, 200 on 3 pixels")]
    assert ("7", "no class", 5) in result.values
    with pytest.raises(OcellusError, match=r"masks/train/0.png \(values 7 on .* --view classes"):
        result.require()


def test_unknown_colours_of_a_smoothed_mask(tmp_path: Path) -> None:
    make(tmp_path, names="road 255 0 0\nsky 0 0 255\n")
    colors = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    for index in range(8):
        mask(tmp_path, colors[np.arange(600).reshape(SIZE) % 2], index)
    image = Image.fromarray(colors[(np.indices(SIZE)[1] > 15).astype(int)])
    mask(tmp_path, np.asarray(image.resize((90, 60), Image.Resampling.BILINEAR).resize((30, 20))), 1)
    result = examined(tmp_path)
    ((kind, file, value),) = told(result)
    assert (kind, file) == ("mask-value", "1.png")
    assert value.startswith("values (")


@pytest.mark.parametrize(
    ("fault", "kind", "refuses"),
    [
        ("size", "mask-size", True),
        ("turned", "mask-size", True),
        ("jpeg", "label-map-unreadable", True),
        ("text", "label-map-unreadable", True),
        ("colours", "label-map-unreadable", True),
        ("ignored", "label-map-ignored", False),
        ("missing", "label-map-missing", False),
        ("unused", "label-map-unused", False),
    ],
)
def test_faults_of_one_map(fault: str, kind: str, refuses: bool, tmp_path: Path) -> None:
    make(tmp_path)
    file = tmp_path / "masks/train/2.png"
    labels = np.asarray(Image.open(file))
    if fault == "size":
        mask(tmp_path, labels[:, 1:], 2)
    elif fault == "turned":
        mask(tmp_path, labels.T.copy(), 2)
    elif fault == "jpeg":
        Image.fromarray(labels).save(file.with_suffix(".jpg"))
        file.unlink()
    elif fault == "text":
        file.write_text("no mask")
    elif fault == "colours":
        mask(tmp_path, np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8), 2)
        with pytest.raises(OcellusError, match=r"colours .* and no table"):
            examined(tmp_path)
        return
    elif fault == "ignored":
        mask(tmp_path, np.full(SIZE, 255, np.uint8), 2)
    elif fault == "missing":
        file.unlink()
    elif fault == "unused":
        (tmp_path / "images/train/2.png").unlink()
    result = examined(tmp_path)
    assert [one.kind for one in result.findings] == [kind]
    assert result.refuses == refuses
    if fault == "size":
        assert result.findings[0].value == "mask 29x20, picture 30x20"
    if fault == "jpeg":
        assert "is a JPEG, which blurs the numbers" in result.findings[0].message


def test_a_picture_that_exif_turns_has_its_map_upright(tmp_path: Path) -> None:
    make(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(np.random.default_rng(9).integers(0, 256, (*SIZE, 3), np.uint8))
    noise.save(tmp_path / "images/train/0.png", exif=exif)
    assert [(kind, file) for kind, file, _ in told(examined(tmp_path))] == [("picture-rotated", "0.png")]
    mask(tmp_path, np.eye(30, 20, dtype=np.uint8))
    assert told(examined(tmp_path)) == []


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    for index in (0, 1, 2, 4, 5, 6):
        mask(tmp_path, np.zeros(SIZE, np.uint8), index)
    result = examined(tmp_path)
    assert result.refuses
    assert [(kind, value) for kind, _, value in told(result)] == [
        ("classes-alone", "road"),
        ("class-untrained", "sky: 540 pixels in val"),
    ]


def test_nothing_but_ignored_pixels_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    for index in range(8):
        mask(tmp_path, np.full(SIZE, 255, np.uint8), index)
    result = examined(tmp_path)
    kinds = [one.kind for one in result.findings]
    assert result.refuses and kinds.count("label-map-ignored") == 8
    assert kinds[0] == "nothing-annotated"


def test_classes_that_are_unused_rare_or_drowned(tmp_path: Path) -> None:
    make(tmp_path, names="road\nsky\nbird\nship\n")
    labels = np.asarray(Image.open(tmp_path / "masks/train/0.png")).copy()
    labels[5, 5] = 2
    mask(tmp_path, labels)
    result = examined(tmp_path)
    assert [(kind, value) for kind, _, value in told(result)] == [
        ("class-unused", "ship"),
        ("class-rare", "bird: 1 in train"),
        ("class-imbalance", "sky: 1620 pixels, bird: 1"),
    ]
    assert not result.refuses


def test_objects_without_shapes_are_refused_as_classes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    images = []
    for index in range(6):
        noise = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"images/{index}.png")
        images.append({"id": index, "file_name": f"{index}.png", "width": 30, "height": 20})
    ring = [1, 1, 12, 1, 12, 12, 1, 12]
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 1, 11, 11], "segmentation": [ring]}
        for i in range(6)
    ]
    del annotations[2]["segmentation"]
    page = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(page))
    assert not check(read(tmp_path), workers=1).refuses
    result = examined(tmp_path)
    ((kind, message),) = [(one.kind, one.message) for one in result.findings if one.severity == "refuse"]
    assert kind == "object-shapeless" and message.startswith(
        "1 objects have no outline or mask, annotation 2"
    )


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path)
    assert main(["check", str(tmp_path), "--view", "classes"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "class_masks, 8 pictures (train 6, val 2)" in text
    assert "road 0 50.00% 50.00%" in text and "(ignored) 255 360 px 120 px 480 px" in text
    assert "ready to train on: 0 to mend, 0 to know of" in text
    labels = np.full(SIZE, 9, np.uint8)
    mask(tmp_path, labels)
    assert main(["check", str(tmp_path), "--view", "classes"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "masks/train/0.png: value 9 on 600 pixels" in text and "(no class) 9" in text
    assert main(["check", str(tmp_path), "--view", "classes", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["pixels"]["train"]["road"] == 5 * 270


@pytest.mark.parametrize("name", ["camvid", "lungs", "portrait", "membrane", "street", "coco"])
def test_real_data_is_ready(name: str, shared: Path) -> None:
    result = examined(shared / "data" / name)
    assert not result.refuses
    if name == "camvid":
        assert round(result.pixels["train"]["road"] / sum(result.pixels["train"].values()), 3) == 0.33
        assert result.findings == ()


def test_numbers_that_may_be_of_objects_are_told_so(tmp_path: Path) -> None:
    make(tmp_path)
    ids = np.ones(SIZE, np.uint16)
    ids[:, :15], ids[0, 0], ids[0, 1] = 0, 1002, 5000
    mask(tmp_path, ids)
    result = examined(tmp_path)
    assert told(result) == [("mask-value", "0.png", "values 1002 on 1 pixels, 5000 on 1 pixels")]
    assert (
        "if 1002 is object 2 of class 1, let the masks' names end in _instanceIds;"
        in result.findings[0].message
    )
