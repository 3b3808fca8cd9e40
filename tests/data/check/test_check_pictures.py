"""The data doctor on files: missing, broken, of another size, twice."""

from __future__ import annotations

import random
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocellus.data.check import Check, check
from ocellus.data.check import files as files_module
from ocellus.data.dataset import Annotation, Dataset, Record
from ocellus.errors import OcellusError
from ocellus.labels import LabelMap

BOX = Annotation(label=0, box=(1.0, 1.0, 5.0, 5.0), source="annotation 1")


def photo(path: Path, *, seed: int = 0, size: tuple[int, int] = (48, 64), **options: object) -> Path:
    """A picture of noise, so that no two are alike."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def dataset(
    root: Path, *train: Path, val: tuple[Path, ...] = (), size: tuple[int, int] | None = None
) -> Dataset:
    def records(paths: tuple[Path, ...]) -> tuple[Record, ...]:
        return tuple(Record(image=path, name=path.name, size=size, annotations=(BOX,)) for path in paths)

    splits = {"train": records(train), "val": records(val)}
    return Dataset(root=root, format="coco", labels=LabelMap(("thing",)), splits=splits)


def about(result: Check, prefix: str = "picture-") -> dict[str, str]:
    """{kind: value} of the findings of a kind."""
    return {one.kind: one.value for one in result.findings if one.kind.startswith(prefix)}


def test_whole_pictures_are_not_blamed(tmp_path: Path) -> None:
    paths = [photo(tmp_path / name, seed=i) for i, name in enumerate(("a.jpg", "b.png", "c.webp", "d.bmp"))]
    paths.append(photo(tmp_path / "e.jpg", seed=9, progressive=True))
    result = check(dataset(tmp_path, *paths, size=(48, 64)))
    assert about(result) == {}
    assert result.picture_sizes == {(48, 64): 5}
    assert result.pictures == {"train": 5, "val": 0}


@pytest.mark.parametrize("lost", [1, 2, 100, 2000])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpeg(tmp_path: Path, lost: int, progressive: bool) -> None:
    path = photo(tmp_path / "a.jpg", quality=95, progressive=progressive)
    path.write_bytes(path.read_bytes()[:-lost])
    result = check(dataset(tmp_path, path))
    assert list(about(result)) == ["picture-truncated"]
    assert result.refuses


def test_truncated_and_damaged_png(tmp_path: Path) -> None:
    cut, damaged = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    cut.write_bytes(cut.read_bytes()[:-1000])
    data = bytearray(damaged.read_bytes())
    data[3000:3100] = bytes(100)
    damaged.write_bytes(data)
    assert list(about(check(dataset(tmp_path, cut)))) == ["picture-truncated"]
    assert list(about(check(dataset(tmp_path, damaged)))) == ["picture-unreadable"]


def test_no_pictures_at_all(tmp_path: Path) -> None:
    text, empty, folder = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg"
    text.write_text("hello, I am no picture")
    empty.touch()
    folder.mkdir()
    found = [about(check(dataset(tmp_path, path))) for path in (text, empty, folder)]
    assert [list(one) for one in found] == [["picture-unreadable"]] * 3
    assert "hello" in found[0]["picture-unreadable"]
    assert found[1]["picture-unreadable"] == "0 bytes"


def test_random_damage_never_raises(tmp_path: Path) -> None:
    source = photo(tmp_path / "whole.jpg").read_bytes()
    chance = random.Random(0)
    paths = []
    for number in range(60):
        data = bytearray(source)
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(data)
    result = check(dataset(tmp_path, *paths))
    assert sum(result.picture_sizes.values()) <= 60


def test_missing_picture_names_its_namesake(tmp_path: Path) -> None:
    photo(tmp_path / "Photo.JPG")
    found = about(check(dataset(tmp_path, tmp_path / "photo.jpg")))
    assert "Photo.JPG" in found["picture-missing"]
    found = about(check(dataset(tmp_path, tmp_path / "elsewhere" / "photo.jpg")))
    assert "no folder" in found["picture-missing"]


def test_missing_picture_in_hangul_composed_otherwise(tmp_path: Path) -> None:
    import unicodedata

    photo(tmp_path / unicodedata.normalize("NFD", "강아지.jpg"))
    found = about(check(dataset(tmp_path, tmp_path / unicodedata.normalize("NFC", "강아지.jpg"))))
    assert "composed" in found["picture-missing"]


def test_size_and_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed turned by 90 degrees
    turned = photo(tmp_path / "turned.jpg", exif=exif)
    assert about(check(dataset(tmp_path, turned, size=(64, 48)))) == {}
    wrong = about(check(dataset(tmp_path, turned, size=(48, 64))))
    assert wrong == {"picture-rotated": "annotated 64x48, file 48x64"}
    other = about(check(dataset(tmp_path, turned, size=(100, 100))))
    assert other == {"picture-size": "annotated 100x100, file 48x64"}


def test_orientation_of_png_behind_its_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = photo(tmp_path / "turned.png", exif=exif)
    assert list(about(check(dataset(tmp_path, turned, size=(48, 64))))) == ["picture-rotated"]


def test_twins_by_content(tmp_path: Path) -> None:
    a = photo(tmp_path / "a.jpg", seed=1)
    copy = tmp_path / "copy.jpg"
    whole = a.read_bytes()
    copy.write_bytes(
        whole[:2] + b"\xff\xfe\x00\x08copied" + whole[2:]
    )  # a comment: other bytes, the same pixels
    assert a.read_bytes() != copy.read_bytes()
    b = photo(tmp_path / "b.jpg", seed=2)
    across = check(dataset(tmp_path, a, b, val=(copy,)))
    assert [one.kind for one in across.findings if one.kind.startswith("picture")] == ["picture-in-splits"]
    assert str(a) in about(across)["picture-in-splits"]
    assert not across.refuses
    assert list(about(check(dataset(tmp_path, a, b, copy)))) == ["picture-twice"]
    assert list(about(check(dataset(tmp_path, a, val=(a,))))) == ["picture-in-splits"]


def test_pictures_that_look_alike_from_afar_are_no_twins(tmp_path: Path) -> None:
    """Two checkerboards, one the other's negative, have the same mean in every block of eight pixels."""
    board = ((np.indices((512, 512)).sum(axis=0) // 2 % 2) * 200).astype(np.uint8)
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path, pixels in zip(paths, (board, 200 - board), strict=True):
        Image.fromarray(pixels).save(path, quality=100)
    seen = [files_module.examine(path) for path in paths]
    assert seen[0].digest == seen[1].digest  # else this test shows nothing
    assert about(check(dataset(tmp_path, paths[0], val=(paths[1],)))) == {}


def test_upside_down_is_another_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    upright, turned = photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg", exif=exif)
    assert about(check(dataset(tmp_path, upright, val=(turned,)))) == {}


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "YCbCr"])
def test_every_mode_passes(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))
    else:
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).convert(
            mode
        )
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.tif" if mode == "YCbCr" else "a.png")
    image.save(path)
    assert about(check(dataset(tmp_path, path, size=(48, 64)))) == {}


def test_floats_beyond_white_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.full((20, 20), 700.0, np.float32)).save(path)
    assert "700" in about(check(dataset(tmp_path, path)))["picture-unreadable"]


def test_one_pixel(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", size=(1, 1))
    assert about(check(dataset(tmp_path, path, size=(1, 1)))) == {"picture-tiny": "1x1"}


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_hundred_megapixels_in_sane_memory(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"big.{ending}"
    Image.new("L", (12_000, 9_000), 90).save(path)
    twin = tmp_path / f"twin.{ending}"
    twin.write_bytes(path.read_bytes())
    tracemalloc.start()
    result = check(dataset(tmp_path, path, twin, size=(9_000, 12_000)), workers=2)
    python_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(about(result)) == {"picture-huge", "picture-twice"}
    assert python_bytes < 50e6  # Pillow's own pixels, 108 MB, are counted in the test below


def test_memory_of_the_process_on_large_pictures(tmp_path: Path) -> None:
    """Four of 30 megapixels with four workers: one at a time is in memory, not four."""
    import subprocess
    import sys

    Image.new("RGB", (6_000, 5_000), (90, 20, 30)).save(tmp_path / "0.png", compress_level=1)
    for number in (1, 2, 3):
        shutil.copy(tmp_path / "0.png", tmp_path / f"{number}.png")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from ocellus.data.check.files import examine, examine_all\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "seen = examine_all(sorted(Path(sys.argv[1]).glob('*.png')), workers=4)\n"
        "assert len(seen) == 4 and not any(one.fault for one in seen.values()), seen\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 350  # megabytes; one decoded picture has 120, four 480


def test_refusal_names_file_and_cure(tmp_path: Path) -> None:
    result = check(dataset(tmp_path, tmp_path / "gone.jpg"))
    with pytest.raises(OcellusError, match=r"gone\.jpg.*restore the file") as caught:
        result.require()
    assert caught.value.exit_code == 1
    check(dataset(tmp_path, photo(tmp_path / "a.jpg"))).require()


def test_workers_and_progress_do_not_change_the_answer(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{i}.jpg", seed=i % 5) for i in range(20)]
    calls: list[int] = []
    one = check(dataset(tmp_path, *paths), workers=1, each=lambda: calls.append(1))
    four = check(dataset(tmp_path, *paths), workers=4)
    assert one.findings == four.findings
    assert len(calls) == 20
    assert sum(finding.kind == "picture-twice" for finding in one.findings) == 15


def scene(
    path: Path, *, seed: int, shift: int = 0, size: tuple[int, int] = (96, 128), **options: object
) -> Path:
    """A smooth picture of its own, moved by a few pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    image = Image.fromarray(np.roll(np.asarray(image), shift, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_nearly_the_same_picture_in_two_splits(tmp_path: Path) -> None:
    train = [scene(tmp_path / "train" / f"{seed}.png", seed=seed) for seed in range(6)]
    copies = {
        "moved": scene(tmp_path / "moved.png", seed=0, shift=1),
        "compressed": scene(tmp_path / "compressed.jpg", seed=1, quality=40),
        "smaller": scene(tmp_path / "smaller.png", seed=2, size=(72, 96)),
        "grey": tmp_path / "grey.png",
        "deep": tmp_path / "deep.png",
        "upright": tmp_path / "upright.jpg",
    }
    Image.open(train[3]).convert("L").save(copies["grey"])
    grey = np.asarray(Image.open(train[4]).convert("L")).astype(np.uint16)
    Image.fromarray(grey * 200).save(copies["deep"])
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned; displayed like the one it was made from
    Image.open(train[5]).transpose(Image.Transpose.ROTATE_90).save(copies["upright"], exif=exif, quality=90)
    other = scene(tmp_path / "other.png", seed=99)
    result = check(dataset(tmp_path, *train, val=(*copies.values(), other)))
    found = {Path(one.file).stem: one.value for one in result.findings if one.kind == "picture-alike"}
    assert list(found) == list(copies)
    for number, value in enumerate(found.values()):
        assert value.startswith(f"in val, like {number}.png in train (0.9") or "(1.0" in value
    assert not result.refuses


def test_within_a_split_and_without_contrast_nothing_is_alike(tmp_path: Path) -> None:
    frames = [scene(tmp_path / f"{shift}.png", seed=0, shift=shift) for shift in range(3)]
    blank = [tmp_path / "a.png", tmp_path / "b.png"]
    for shade, path in enumerate(blank):
        Image.new("L", (64, 48), 100 + shade).save(path)
    assert about(check(dataset(tmp_path, *frames, blank[0], val=(blank[1],)))) == {}


def test_nearest_over_blocks_is_the_whole_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocellus.data.check import alike

    chance = np.random.default_rng(0)
    queries, known = (chance.integers(-120, 121, (count, 1024)).astype(np.int8) for count in (23, 57))
    queries[5], queries[20] = known[41], known[3]
    whole = [row / np.linalg.norm(row.astype(float)) for row in known]
    expected = [max(range(57), key=lambda k: float(whole[k] @ query.astype(float))) for query in queries]
    monkeypatch.setattr(alike, "ROWS", 10)
    places, scores = alike.nearest(queries, known)
    assert places.tolist() == expected
    assert scores[5] == pytest.approx(1)
    assert scores[20] == pytest.approx(1)


def test_frames_of_a_video_in_both_splits(shared: Path) -> None:
    from ocellus.data.read import read

    found = [one for one in check(read(shared / "data" / "davis")).findings if one.kind == "picture-alike"]
    assert len(found) > 10
    for one in found:  # each is of the sequence that it is said to be like
        sequence = Path(one.file).parent.name
        assert f"{sequence}/" in one.value
