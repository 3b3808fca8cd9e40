"""`ocellus check` as a user meets it: the whole way from files to a table, and every bad input in a line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ocellus.cli import main

NAMES = ("고양이", "dog")


def coco(folder: Path, *, count: int = 8, **changes: Any) -> Path:
    """A COCO data set of noise with a box of each class in a picture; `changes` are laid over the JSON."""
    (folder / "사진").mkdir(parents=True)
    chance = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(count):
        name = f"사진/그림 {number}.jpg"
        Image.fromarray(chance.integers(0, 256, (48, 64, 3), np.uint8)).save(folder / name)
        images.append({"id": number, "file_name": name, "width": 64, "height": 48})
        for category in (1, 2):
            box = [category * 5, 8, 20, 30]
            entry = {
                "id": len(annotations),
                "image_id": number,
                "category_id": category,
                "bbox": box,
                "iscrowd": 0,
            }
            annotations.append({**entry, "area": 600})
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(
        json.dumps({**data, **changes}, ensure_ascii=False), encoding="utf-8"
    )
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["check", *arguments])
    out, error = capsys.readouterr()
    return code, out, error


def findings(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, dict[str, list[dict[str, str]]]]:
    code, out, _ = run(capsys, str(folder), "--json")
    grouped: dict[str, list[dict[str, str]]] = {}
    for one in json.loads(out)["findings"]:
        grouped.setdefault(one["kind"], []).append(one)
    return code, grouped


def test_a_sound_data_set_with_hangul_throughout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = coco(tmp_path / "자료")
    code, out, error = run(capsys, str(folder))
    assert (code, error) == (0, "")
    assert re.search(r"고양이 +6 +2", out)
    assert "ready to train on: 0 to mend, " in out
    code, out, _ = run(capsys, str(folder), "--json", "--workers", "1")
    data = json.loads(out)
    assert (code, data["refuses"]) == (0, False)
    assert data["objects"]["train"] == {"고양이": 6, "dog": 6}
    assert "고양이" in out  # letters, not escapes


def test_a_bad_one_is_refused_with_file_and_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = coco(tmp_path / "자료")
    path = folder / "사진" / "그림 3.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    (folder / "사진" / "그림 4.jpg").unlink()
    (folder / "사진" / "그림 5.jpg").write_text("hello")
    code, out, _ = run(capsys, str(folder))
    flat = " ".join(out.split())
    assert code == 1
    assert "training refuses this data set: 3 to mend" in flat
    for number, kind in ((3, "picture-truncated"), (4, "picture-missing"), (5, "picture-unreadable")):
        assert kind in flat
        assert f"사진/그림 {number}.jpg" in flat


def test_thousands_of_findings_are_grouped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = [
        {"id": n, "image_id": n % 8, "category_id": 1, "bbox": [1, 2, 3 + n / 1000, 0], "iscrowd": 0}
        for n in range(3000)
    ]
    folder = coco(tmp_path / "set", annotations=shapes)
    code, out, _ = run(capsys, str(folder))
    assert code == 1
    assert "and 2997 more (--json lists all)" in out
    assert len(out.splitlines()) < 40
    assert len(findings(capsys, folder)[1]["box-empty"]) == 3000


def test_annotations_of_an_absent_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = [{"id": 5, "image_id": 99, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    code, found = findings(capsys, coco(tmp_path / "set", annotations=lost))
    assert code == 1
    assert found["annotation-orphan"][0]["value"] == "99"


def test_json_cut_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = coco(tmp_path / "set") / "annotations.json"
    file.write_bytes(file.read_bytes()[:900])
    code, _, error = run(capsys, str(file))
    assert code == 1
    assert "annotations.json" in error
    assert "line" in error


def test_missing_and_empty_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in (("gone", "there is no"), ("empty", "empty folder")):
        code, out, error = run(capsys, str(tmp_path / name))
        assert (code, out) == (1, "")
        assert name in error
        assert words in error
        assert error.startswith("ocellus: ")
        assert len(error.splitlines()) == 1


@pytest.mark.parametrize("mode", ["I;16", "L", "RGBA", "CMYK", "P"])
def test_pictures_of_every_kind_go_the_whole_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    """What `check` lets pass, the reader of pictures reads, to the same size."""
    from ocellus.data.read import read
    from ocellus.data.sources import pictures

    folder = coco(tmp_path / "set")
    for path in sorted((folder / "사진").iterdir()):
        image = Image.open(path)
        image.load()
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        else:
            image = image.convert(mode)
        image.save(path, format="JPEG" if mode in ("L", "CMYK") else "PNG")
    code, found = findings(capsys, folder)
    assert (code, set(found)) == (0, set())
    shown = list(pictures(str(folder / "사진")))
    assert [one.size for one in shown] == [(48, 64)] * 8
    assert {str(record.image) for _, record in read(folder).records()} == {one.path for one in shown}


def test_one_pixel_and_a_hundred_megapixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"small.png": (1, 1), "large.png": (9_000, 12_000)}
    images, shapes = [], []
    (tmp_path / "set").mkdir()
    for number, (name, (height, width)) in enumerate(sizes.items()):
        Image.new("1", (width, height)).save(tmp_path / "set" / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        shapes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, width, height]})
    data = {"images": images, "annotations": shapes, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "set" / "annotations.json").write_text(json.dumps(data))
    code, found = findings(capsys, tmp_path / "set")
    assert code == 0
    assert found["picture-tiny"][0]["value"] == "1x1"
    assert found["picture-huge"][0]["value"] == "12000x9000"


def test_what_check_refuses_the_picture_reader_refuses(tmp_path: Path) -> None:
    """Random damage: wherever `check` finds the file whole, `read_picture` reads it, and the reverse."""
    import random
    import warnings

    from ocellus.data.check.files import examine_all
    from ocellus.data.images import read_picture
    from ocellus.errors import OcellusError

    chance = random.Random(1)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    disagreed, refused = [], 0
    for ending in ("jpg", "png", "bmp", "tif", "gif", "webp"):
        whole = tmp_path / f"whole.{ending}"
        Image.fromarray(pixels).save(whole)
        for number in range(40):
            data = bytearray(whole.read_bytes())
            if number % 2:
                data = data[: chance.randrange(len(data))]
            else:
                for _ in range(chance.randint(1, 5)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            path = tmp_path / f"{number}.{ending}"
            path.write_bytes(data)
            seen = examine_all([path], workers=1)[path]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    size = read_picture(path).size
            except OcellusError:
                size = None
            refused += size is None
            if bool(seen.fault) != (size is None) or (size and size != seen.size):
                disagreed.append((path.name, seen, size))
    assert refused > 60
    assert disagreed == []


def test_real_data_is_not_blamed_and_damage_to_it_is_found(
    tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    for name in ("nuclei", "bccd", "fruits", "lungs", "mouse", "pose", "faces"):
        code, found = findings(capsys, shared / "data" / name)
        # The mouse was filmed by a camera that stands still: frames of both splits are nearly the same.
        assert (name, code, set(found)) == (name, 0, {"picture-alike"} if name == "mouse" else set())
    code, found = findings(capsys, shared / "data" / "coco")
    assert code == 0
    assert set(found) == {"label-ids-gaps", "class-rare", "class-imbalance", "file-unused"}
    folder = shutil.copytree(shared / "data" / "fruits", tmp_path / "fruits")
    first, second, third, *_ = sorted(folder.rglob("*.jpg"))
    for path in (first, second, third):
        path.chmod(0o644)
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    with Image.open(second) as image:
        image.resize((400, 300)).save(second)
    fourth = sorted(folder.rglob("*.jpg"))[3]
    shutil.copy(fourth, third)
    code, found = findings(capsys, folder)
    assert code == 1
    assert set(found) - {"class-rare", "class-untrained"} in (
        {"picture-truncated", "picture-size", "picture-twice"},
        {"picture-truncated", "picture-size", "picture-in-splits"},
    )
    assert found["picture-truncated"][0]["file"].endswith(first.name)
    assert found["picture-size"][0]["value"] == "annotated 800x600, file 400x300"
