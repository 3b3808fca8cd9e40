"""Label maps written part by part: other programs read them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ocellus.data.label_writer import bands, write_labels
from ocellus.errors import OcellusError


@pytest.mark.parametrize("ending", ["tif", "npy"])
@pytest.mark.parametrize("cuts", [[700], [1, 511, 513, 1300], []])
def test_labels_are_written_band_by_band(ending: str, cuts: list[int], tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 5, (1301, 917), dtype=np.uint8)
    edges = [0, *cuts, 1301]
    rows = [(top, labels[top:bottom]) for top, bottom in pairwise(edges)]
    path = tmp_path / f"labels.{ending}"
    write_labels(path, rows, (1301, 917), colors=[(0, 0, 0), (255, 128, 0)])
    if ending == "npy":
        assert np.array_equal(np.load(path), labels)
        return
    with tifffile.TiffFile(path) as file:
        assert file.pages.first.is_tiled and np.array_equal(file.asarray(), labels)
    with Image.open(path) as image:  # another reader, and its colors
        assert np.array_equal(np.asarray(image), labels)
        assert image.convert("RGB").getpixel((0, 0)) is not None and image.getpalette()[3:6] == [255, 128, 0]


def test_bands_are_put_together_of_parts() -> None:
    whole = np.arange(70, dtype=np.uint8).reshape(7, 10)
    places = [(0, 0, 2, 6), (2, 0, 4, 6), (0, 6, 4, 10), (4, 0, 7, 10)]
    parts = [(top, left, whole[top:bottom, left:right]) for top, left, bottom, right in places]
    found = list(bands(parts, 10))
    assert [top for top, _ in found] == [0, 4]
    assert np.array_equal(np.concatenate([band for _, band in found]), whole)


def test_labels_have_an_ending_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(OcellusError, match=r"end the name with \.tif or \.npy"):
        write_labels(tmp_path / "labels.png", [], (1, 1))
