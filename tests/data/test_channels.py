"""Pictures of other channels than RGB: every bit arrives, upright, and the wrong number is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from ocellus.data.check import check
from ocellus.data.images import picture_size, read_channels, read_picture
from ocellus.data.read import read
from ocellus.errors import OcellusError

DICE = np.random.default_rng(0)
DEEP = DICE.integers(0, 65536, (21, 30), np.uint16)


@pytest.mark.parametrize("kind", ["png", "tif", "big-endian", "tifffile"])
def test_16_bit_grey_keeps_its_bits(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.png" if kind == "png" else "a.tif")
    if kind in ("png", "tif"):
        Image.fromarray(DEEP).save(path)
    else:
        tifffile.imwrite(path, DEEP, byteorder=">" if kind == "big-endian" else "<", compression="zlib")
    picture = read_picture(path, channels=1)
    assert picture.channels is not None and picture.channels.shape == (1, 21, 30)
    assert (picture.channels[0].numpy() == DEEP.astype(np.float32) / np.float32(65535)).all()
    assert picture.pixels.shape == (3, 21, 30) and picture.size == picture_size(path)
    dark = tmp_path / "dark.png"
    Image.fromarray(DEEP // 256).save(dark)  # 12 bits or fewer: the same white as all others
    assert float(read_channels(dark, 1).max()) < 0.004


def test_8_bit_grey_and_colours_as_grey(tmp_path: Path) -> None:
    grey = DICE.integers(0, 256, (5, 7), np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert read_channels(tmp_path / "a.png", 1).dtype == torch.uint8
    assert (read_channels(tmp_path / "a.png", 1)[0].numpy() == grey).all()
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "b.png")
    assert (read_channels(tmp_path / "b.png", 1)[0].numpy() == grey).all()
    green = np.zeros((2, 2, 3), np.uint8)
    green[..., 1] = 255
    Image.fromarray(green).save(tmp_path / "c.png")
    assert set(read_channels(tmp_path / "c.png", 1).unique().tolist()) == {150}  # 0.587 of 255
    assert read_channels(tmp_path / "c.png", 3)[:, 0, 0].tolist() == [0, 255, 0]


def test_exif_turns_grey_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(tmp_path / "a.png", exif=exif)
    assert read_picture(tmp_path / "a.png", channels=1).size == (3, 2)
    assert read_channels(tmp_path / "a.png", 1)[0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("layout", ["last", "planes", "pages", "plain-planes"])
@pytest.mark.parametrize("count", [2, 4, 5, 7])
def test_many_channels(count: int, layout: str, tmp_path: Path) -> None:
    stack = DICE.integers(0, 65536, (count, 13, 17), np.uint16)
    path = tmp_path / "a.tif"
    if layout == "last":
        tifffile.imwrite(path, np.moveaxis(stack, 0, -1), photometric="minisblack", planarconfig="contig")
    elif layout == "planes":
        tifffile.imwrite(path, stack, photometric="minisblack", planarconfig="separate")
    elif layout == "pages":
        tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "CYX"})
    else:
        tifffile.imwrite(path, stack, photometric="minisblack", metadata=None)
    picture = read_picture(path, channels=count)
    assert picture.channels is not None
    assert (picture.channels.numpy() == stack.astype(np.float32) / np.float32(65535)).all()
    assert picture.floats() is picture.channels


def test_16_bit_colours(tmp_path: Path) -> None:
    stack = DICE.integers(0, 65536, (9, 11, 3), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.channels is not None and picture.size == picture_size(tmp_path / "a.tif") == (9, 11)
    assert (picture.channels.permute(1, 2, 0).numpy() == stack.astype(np.float32) / np.float32(65535)).all()
    assert (picture.pixels.permute(1, 2, 0).numpy() == np.rint(stack / 65535 * 255)).all()


def test_transparency_is_a_channel_where_four_are_asked_for(tmp_path: Path) -> None:
    pixels = DICE.integers(0, 256, (4, 5, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_channels(tmp_path / "a.png", 4).permute(1, 2, 0).numpy() == pixels).all()
    assert read_channels(tmp_path / "a.png", 3).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("has", "wanted"), [((6, 8, 5), 3), ((6, 8, 5), 4), ((6, 8, 2), 1), ((6, 8, 3), 4), ((6, 8), 2)]
)
def test_another_number_of_channels_names_the_setting(
    has: tuple[int, ...], wanted: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    photometric = "rgb" if has[-1] == 3 else "minisblack"
    tifffile.imwrite(path, np.zeros(has, np.uint8), photometric=photometric, planarconfig="contig")
    count = has[2] if len(has) == 3 else 1
    message = rf"a\.tif has {count} channels, wanted are {wanted}: give .* \(--channels {count}\)"
    with pytest.raises(OcellusError, match=message):
        read_picture(path, channels=wanted)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 5, 6), 2.0, np.float32), r"fractions are in \[2, 2\]; wanted is \[0, 1\]"),
        (np.zeros((4, 5, 6), np.int32), "values are int32; wanted are uint8, uint16"),
        (np.zeros((2, 3, 4, 5, 6), np.uint8), "wanted are rows, columns and channels"),
    ],
)
def test_values_that_are_no_pictures(array: np.ndarray, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="minisblack")
    with pytest.raises(OcellusError, match=message):
        read_picture(path, channels=6)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OcellusError, match=r"a\.tif"):
        read_picture(path, channels=6)


def test_the_doctor_examines_them(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for index in range(8):
        stack = DICE.integers(0, 65536, (12, 16, 5), np.uint16)
        file = tmp_path / f"images/{index}.tif"
        tifffile.imwrite(file, stack, photometric="minisblack", planarconfig="contig")
        Image.fromarray(np.eye(12, 16, dtype=np.uint8)).save(tmp_path / f"masks/{index}.png")
    result = check(read(tmp_path, view="classes"), workers=1)
    assert [one.kind for one in result.findings] == [] and result.picture_sizes == {(12, 16): 8}
    file = tmp_path / "images/3.tif"
    file.write_bytes(file.read_bytes()[:900])
    result = check(read(tmp_path, view="classes"), workers=1)
    assert [one.kind for one in result.findings] == ["picture-unreadable"]


def test_a_tiffs_orientation_is_applied(tmp_path: Path) -> None:
    stack = DICE.integers(0, 65536, (4, 6, 5), np.uint16)
    extra = [(274, "H", 1, 6, True)]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", planarconfig="contig", extratags=extra)
    picture = read_picture(path, channels=5)
    assert picture.size == picture_size(path) == (6, 4)
    assert picture.channels is not None
    turned = np.rot90(stack, -1).astype(np.float32) / np.float32(65535)
    assert (picture.channels.permute(1, 2, 0).numpy() == turned).all()
