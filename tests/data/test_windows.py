"""Windowed pictures: every part is the part of the whole, whatever the file's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from ocellus.data import windows
from ocellus.data.windows import Segments, is_large, open_source
from ocellus.errors import OcellusError

PARTS = [(0, 301, 0, 517), (10, 100, 30, 200), (290, 301, 500, 517), (0, 1, 0, 1), (63, 65, 127, 129)]
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 16, "compression": "zlib"},
    "one packed strip": {"rowsperstrip": 301, "compression": "zlib"},
    "tiles": {"tile": (64, 128), "compression": "zlib", "predictor": True},
    "plain tiles": {"tile": (64, 64)},
    "planes": {"planarconfig": "separate", "compression": "zlib", "rowsperstrip": 10},
    "plain planes": {"planarconfig": "separate"},
}


def colors(kind: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, (301, 517, 3), dtype=kind)


def same(path: Path, wanted: np.ndarray, *, channels: int = 3) -> None:
    source = open_source(path, channels=channels)
    assert source.size == wanted.shape[:2]
    for top, bottom, left, right in PARTS:
        part = source.window(top, bottom, left, right)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(part, wanted[top:bottom, left:right], atol=2e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_parts_of_a_tiff(layout: str, kind: Any, tmp_path: Path) -> None:
    whole = colors(kind)
    stored = np.ascontiguousarray(whole.transpose(2, 0, 1)) if "planes" in layout else whole
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **LAYOUTS[layout])
    same(tmp_path / "a.tif", whole / np.iinfo(kind).max)


def test_parts_of_an_array_and_of_any_other_picture(tmp_path: Path) -> None:
    whole = colors()
    np.save(tmp_path / "a.npy", whole)
    Image.fromarray(whole).save(tmp_path / "a.png")
    np.save(tmp_path / "grey.npy", whole[:, :, 0].astype(np.float32) / 255)
    same(tmp_path / "a.npy", whole / 255)
    same(tmp_path / "a.png", whole / 255)
    same(tmp_path / "grey.npy", whole[:, :, :1] / 255, channels=1)
    same(tmp_path / "grey.npy", np.repeat(whole[:, :, :1] / 255, 3, axis=2))


def test_colors_are_made_grey_and_opacity_is_laid_over_white(tmp_path: Path) -> None:
    whole = colors()
    tifffile.imwrite(tmp_path / "a.tif", whole, photometric="rgb", tile=(64, 64))
    same(tmp_path / "a.tif", (whole / 255) @ windows.GREY[:, None], channels=1)
    opacity = np.random.default_rng(1).integers(0, 255, (301, 517, 1), dtype=np.uint8)
    stored = np.concatenate([whole, opacity], axis=2)
    tifffile.imwrite(tmp_path / "b.tif", stored, photometric="rgb", extrasamples=["unassalpha"])
    same(tmp_path / "b.tif", whole / 255 * (opacity / 255) + (1 - opacity / 255))


def test_many_channels(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (301, 517, 5), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", stack, photometric="minisblack", planarconfig="contig", tile=(64, 64)
    )
    same(tmp_path / "a.tif", stack / 255, channels=5)
    with pytest.raises(OcellusError, match=r"a.tif has 5 channels, wanted are 3: .*--channels 5"):
        open_source(tmp_path / "a.tif")


def test_few_tiles_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", colors(), photometric="rgb", tile=(64, 64), compression="zlib")
    monkeypatch.setattr(windows, "KEPT", 3 * 64 * 64 * 3)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        segments = Segments(file.pages.first)
        segments.read(0, 301, 0, 517)
        assert len(segments.kept) == 3
        segments.read(256, 301, 448, 517)
        assert segments.bytes == sum(block.nbytes for block in segments.kept.values())


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(OcellusError, match="is no array that numpy wrote"):
        open_source(tmp_path / "text.npy")
    np.save(tmp_path / "long.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(OcellusError, match=r"float64 of \(2, 3, 4, 5\); a picture is"):
        open_source(tmp_path / "long.npy")
    (tmp_path / "text.tif").write_text("no picture")
    with pytest.raises(OcellusError, match="is no TIFF that can be read"):
        open_source(tmp_path / "text.tif")
    tifffile.imwrite(tmp_path / "cut.tif", colors(), photometric="rgb", rowsperstrip=8, compression="zlib")
    data = (tmp_path / "cut.tif").read_bytes()
    broken = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    (tmp_path / "cut.tif").write_bytes(broken)
    with pytest.raises(OcellusError, match="is broken between rows 0 and 301"):
        open_source(tmp_path / "cut.tif").window(0, 301, 0, 517)


def test_large_is_told_by_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", colors(), photometric="rgb")
    Image.new("L", (300, 200)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", colors())
    assert [is_large(tmp_path / f"a.{end}") for end in ("tif", "png", "npy")] == [False, False, True]
    monkeypatch.setattr(windows, "LARGE", 60_000)
    assert [is_large(tmp_path / f"a.{end}") for end in ("tif", "png")] == [True, False]
