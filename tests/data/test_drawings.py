"""Many pictures in one file: QuickDraw's formats as their documentation has them, by hand; and real ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ocellus.data.drawings import Drawings, is_drawings, member
from ocellus.data.images import picture_size, read_channels, read_picture
from ocellus.data.read import read
from ocellus.data.sources import pictures
from ocellus.data.strokes import rasterised, squared
from ocellus.data.synthetic import write_digits
from ocellus.errors import OcellusError

CROSS = [[[0, 255], [0, 255]], [[255, 0], [0, 255]]]  # two diagonals of the square
DOT = [[[100, 100], [7, 7]]]


def packed(drawings: list[list[list[list[int]]]]) -> bytes:
    """The binary format: key_id, country, recognized, timestamp, strokes, each its points' x and then y."""
    data = b""
    for key, strokes in enumerate(drawings):
        data += struct.pack("<Q", key) + b"KR" + struct.pack("<b", 1) + struct.pack("<I", 1500000000)
        data += struct.pack("<H", len(strokes))
        for x, y in strokes:
            data += struct.pack("<H", len(x)) + bytes(x) + bytes(y)
    return data


def lines(drawings: list[list[list[list[int]]]]) -> str:
    return "".join(json.dumps({"word": "big x", "drawing": one}) + "\n" for one in drawings)


def test_both_stroke_formats_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "full_binary_big x.bin").write_bytes(packed([CROSS, DOT]))
    (tmp_path / "other.ndjson").write_text(lines([CROSS, DOT]))
    first, second = Drawings(tmp_path / "full_binary_big x.bin"), Drawings(tmp_path / "other.ndjson")
    assert len(first) == len(second) == 2 and first.word() == second.word() == "big x"
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other) and one.shape == (28, 28)
    cross = first[0]
    assert np.array_equal(cross, cross.T) and cross[14, 14] > 200 and cross[0].max() < 255
    assert cross[14, 2] == 0 and cross[2, 14] == 0
    with pytest.raises(OcellusError, match="both of big x"):
        read(tmp_path, view="labels")


def test_strokes_are_drawn_in_the_middle_with_the_published_line() -> None:
    """A line across the square: 16 of 304 of 28 pixels high, that is 1.47, and border and half a line off."""
    drawn = rasterised((np.array([[0.0, 255.0], [3.0, 3.0]], np.float32),)).astype(float) / 255
    assert drawn[:, 14].sum() == pytest.approx(16 / 304 * 28, abs=0.15)
    assert np.flatnonzero(drawn[:, 14]).mean() == pytest.approx(13.5)
    assert (drawn.sum(axis=0) > 0).sum() == pytest.approx(271 / 304 * 28, abs=1.1)
    assert rasterised((np.array([[5.0], [200.0]], np.float32),), side=64)[31:33, 31:33].min() == 255
    assert not rasterised(()).any()


def test_raw_drawings_are_brought_into_the_square() -> None:
    raw = (np.array([[500.0, 900.0], [300.0, 400.0]], np.float32),)
    (stroke,) = squared(raw)
    assert stroke.tolist() == [[0.0, 255.0], [0.0, 63.75]]
    inside = (np.array([[0.0, 255.0], [3.0, 3.0]], np.float32),)
    assert squared(inside) is inside


def test_pixels_of_all_kinds(tmp_path: Path) -> None:
    flat = np.random.default_rng(0).integers(0, 256, (3, 784), np.uint8)
    np.save(tmp_path / "full_numpy_bitmap_The Eiffel Tower.npy", flat)
    np.savez(tmp_path / "boat.npz", images=flat.reshape(3, 28, 28))
    np.savez(tmp_path / "sun.npz", np.repeat(flat.reshape(3, 28, 28, 1), 3, axis=3))
    dataset = read(tmp_path, view="labels", val_fraction=0.0)
    assert dataset.format == "drawings" and dataset.labels.names == ("The Eiffel Tower", "boat", "sun")
    for record in dataset.splits["train"]:
        inner = member(record.image)
        assert inner is not None
        wanted = torch.from_numpy(flat.reshape(3, 28, 28)[inner[1]])
        assert torch.equal(read_picture(record.image).pixels, wanted.expand(3, -1, -1))
        assert torch.equal(read_channels(record.image, 1)[0], wanted) or "sun" in record.name
        assert picture_size(record.image) == (28, 28)
    assert len(list(pictures(str(tmp_path / "boat.npz")))) == 3
    (one,) = pictures(str(tmp_path / "boat.npz#2"))
    assert one.path.endswith("boat.npz#2")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "sketchrnn.npz", train=np.zeros(2), valid=np.zeros(2))
    np.savez(tmp_path / "pickled.npz", images=np.array([[1], [2, 3]], dtype=object))
    np.save(tmp_path / "floats.npy", np.zeros((3, 784), np.float32))
    (tmp_path / "short.bin").write_bytes(packed([CROSS])[:-3])
    (tmp_path / "bad.ndjson").write_text('{"word": "x"}\n')
    np.savez(tmp_path / "good.npz", images=np.zeros((2, 28, 28), np.uint8))
    for name, words in {
        "sketchrnn.npz": "has the entries train, valid",
        "pickled.npz": "not sketch-RNN's files",
        "floats.npy": "holds float32",
        "short.bin": "ends within drawing 0",
        "gone.npz": r"cannot read .*gone\.npz",
    }.items():
        with pytest.raises(OcellusError, match=words):
            Drawings(tmp_path / name)
    with pytest.raises(OcellusError, match="byte 0: this is no drawing"):
        Drawings(tmp_path / "bad.ndjson")[0]
    with pytest.raises(OcellusError, match="holds 2 pictures, 0 to 1; there is no 7"):
        read_picture(tmp_path / "good.npz#7")
    with pytest.raises(OcellusError, match=r"there is no .*gone\.npz"):
        read_picture(tmp_path / "gone.npz#0")
    assert not is_drawings(tmp_path / "floats.npy") and member(Path("clip.mp4#3")) is None


def test_a_file_that_has_a_number_in_its_name_is_itself(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10)).save(tmp_path / "a.npz#1", "PNG")
    assert read_picture(tmp_path / "a.npz#1").size == (10, 20)


def test_quickdraw(shared: Path) -> None:
    dataset = read(shared / "data" / "quickdraw", view="labels")
    assert dataset.view == "labels" and dataset.labels.names == ("cat", "rainbow", "train")
    assert {split: len(records) for split, records in dataset.splits.items()} == {"train": 2400, "val": 600}
    assert "each class's" in dataset.split_rule
    for label in range(3):
        assert sum(record.label == label for record in dataset.splits["val"]) == 200
    held = np.load(shared / "data" / "quickdraw" / "cat.npz")["images"]
    assert held.mean() == pytest.approx(50.4, abs=0.1)
    record = next(record for record in dataset.splits["train"] if record.label == 0)
    assert np.array_equal(read_picture(record.image).pixels[0].numpy(), held[int(record.name.split("#")[1])])


def test_digits(tmp_path: Path) -> None:
    dataset = write_digits(tmp_path / "digits", side=16)
    assert len(dataset) == 1797 and dataset.labels.names == tuple("0123456789")
    image = read_channels(dataset.splits["train"][0].image, 1)
    assert image.shape == (1, 16, 16) and image.max() > 150
