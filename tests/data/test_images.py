"""Pictures of every kind are read as displayed, and files that are none are refused with the reason."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ocellus.data.images import picture_size, read_picture, to_picture, write_picture
from ocellus.errors import OcellusError

RAMP = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8) * 5


def pixels(path: Path) -> np.ndarray:
    return read_picture(path).pixels.permute(1, 2, 0).numpy()


def colours() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8)).resize((37, 21)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_is_applied(orientation: int, ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    extra = {"lossless": True} if ending == "webp" else {"quality": 100} if ending == "jpg" else {}
    Image.fromarray(colours()).save(path, exif=exif, **extra)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert (pixels(path) == expected).all()
    assert picture_size(path) == expected.shape[:2] == read_picture(path).size


def test_a_png_says_its_orientation_after_the_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, tagged = io.BytesIO(), io.BytesIO()
    Image.fromarray(colours()).save(plain, "PNG")
    Image.fromarray(colours()).save(tagged, "PNG", exif=exif)
    data, with_exif = plain.getvalue(), tagged.getvalue()
    start = with_exif.index(b"eXIf") - 4
    chunk = with_exif[start : start + 12 + int.from_bytes(with_exif[start : start + 4], "big")]
    path = tmp_path / "late.png"
    path.write_bytes(data[:-12] + chunk + data[-12:])
    assert picture_size(path) == (37, 21)
    assert (pixels(path) == np.rot90(colours(), -1)).all()


def test_plain_jpegs_decode_as_pillow_does(shared: Path) -> None:
    files = (
        sorted((shared / "data/coco/images").glob("*.jpg"))[:20]
        + sorted((shared / "data/lungs/images").glob("*"))[:3]
    )
    assert len(files) == 23
    for file in files:
        with Image.open(file) as image:
            assert (pixels(file) == np.asarray(image.convert("RGB"))).all()
            assert picture_size(file) == (image.height, image.width)


def test_sixteen_bits_are_divided_by_their_white(tmp_path: Path) -> None:
    deep = np.array([[0, 65535, 32768, 257]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert pixels(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 255, 128, 1]
    twelve = np.array([[0, 4095, 2048]], np.uint16)
    Image.fromarray(twelve).save(tmp_path / "twelve.tif")
    assert pixels(tmp_path / "twelve.tif")[0, :, 2].tolist() == [0, 255, 128]


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    source = Image.fromarray(RAMP)
    image = source.convert("RGBA" if mode in ("LA", "RGBA") else "RGB").convert(mode)
    endings = {"CMYK": "jpg", "YCbCr": "jpg", "HSV": "tif"}
    path = tmp_path / f"a.{endings.get(mode, 'png')}"
    (image.convert("RGB") if mode == "HSV" else image).save(path)
    found = pixels(path)
    assert found.shape == (6, 8, 3)
    expected = np.asarray(Image.open(path).convert("RGB"))
    assert (found == expected).all()


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.array([[(200, 0, 0, 255), (200, 0, 0, 0), (200, 100, 0, 51)]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[200, 0, 0], [255, 255, 255], [244, 224, 204]]]
    grey = np.array([[(100, 255), (100, 0)]], np.uint8)
    Image.fromarray(grey, "LA").save(tmp_path / "la.png")
    assert pixels(tmp_path / "la.png").tolist() == [[[100] * 3, [255] * 3]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "p.png", transparency=1)
    assert pixels(tmp_path / "p.png").tolist() == [[[10, 20, 30], [255] * 3]]


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]


BIG = """
import resource, sys
from ocellus.data.images import read_picture
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = read_picture(sys.argv[1])
assert picture.size == (9000, 12000), picture.size
assert picture.pixels[:, -1, -1].tolist() == [7, 7, 7] or picture.pixels.float().mean() < 30
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.parametrize("ending", ["jpg"])
def test_a_hundred_megapixels_take_sane_memory(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"big.{ending}"
    Image.new("L", (12000, 9000), 7).save(path)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BIG, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000, f"{done.stdout} MiB for 309 MiB of pixels"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    for side in (20001, 40000):  # above ours, and above Pillow's own guard
        path = tmp_path / f"{side}.png"
        header = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
        import zlib

        chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + (5).to_bytes(4, "big") + b"IDAT" + bytes(9))
        for read in (read_picture, picture_size):
            with pytest.raises(OcellusError, match=rf"{side}\.png has .* at most 400 megapixels"):
                read(path)


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.jpg"
    buffer = io.BytesIO()
    Image.fromarray(np.tile(colours(), (10, 10, 1))).save(buffer, "PNG" if kind == "cut-png" else "JPEG")
    data = buffer.getvalue()
    if kind == "text":
        path.write_text("this is not a picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind.startswith("cut"):
        path.write_bytes(data[: len(data) // 2])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not a picture in spite of its name: it begins with 'this is not a pi'"),
        ("empty", "is empty"),
        ("cut", "broken or truncated JPEG"),
        ("cut-png", "broken or truncated PNG"),
        ("missing", "there is no picture"),
        ("folder", "is a folder"),
    ],
)
def test_files_that_are_no_pictures(kind: str, message: str, tmp_path: Path) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(OcellusError, match=message) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if not kind.startswith("cut"):
        with pytest.raises(OcellusError, match=message):
            picture_size(path)


def test_what_programs_hold_pictures_in() -> None:
    colour = colours()
    expected = torch.from_numpy(colour.copy()).permute(2, 0, 1)
    given = (
        colour,
        expected,
        expected.float() / 255,
        colour / 255.0,
        Image.fromarray(colour),
        colour.astype(np.uint16) * 257,
    )
    for image in given:
        assert torch.equal(to_picture(image).pixels, expected)
    grey = to_picture(RAMP).pixels
    assert torch.equal(grey, torch.from_numpy(RAMP).expand(3, -1, -1))
    assert torch.equal(to_picture(torch.from_numpy(RAMP)[None]).pixels, grey)
    assert to_picture(np.eye(3, dtype=bool)).pixels[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    picture = to_picture(grey)
    assert to_picture(picture) is picture


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 3, 4, 3), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.full((4, 4), 3.5),
        np.full((4, 4), np.nan),
        np.full((4, 4), -1),
        np.full((4, 4), "x"),
    ],
)
def test_what_is_no_picture(image: np.ndarray) -> None:
    with pytest.raises(OcellusError) as caught:
        to_picture(image)
    assert caught.value.exit_code == 2


def test_written_pictures_come_back(tmp_path: Path) -> None:
    picture = to_picture(colours())
    path = tmp_path / "새 폴더" / "그림.png"
    write_picture(picture, path)
    assert torch.equal(read_picture(path).pixels, picture.pixels)
    assert read_picture(path).path == str(path)
    with pytest.raises(OcellusError, match=r"\.png or \.jpg"):
        write_picture(picture, tmp_path / "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OcellusError, match="cannot write"):
        write_picture(picture, tmp_path / "file" / "a.png")
