"""Tiles cover a picture once, weigh one everywhere, and mirror what lies beyond the border."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ocellus.errors import OcellusError
from ocellus.nn.tiles import Tiling, blocks, cut, mirrored, reflected


@st.composite
def tilings(draw: st.DrawFn) -> tuple[int, Tiling]:
    stride = draw(st.sampled_from([1, 2, 5, 16, 32]))
    tile = draw(st.integers(stride, 6 * stride + 3))
    side = -(-tile // stride) * stride
    overlap = draw(st.integers(0, side - stride))
    return draw(st.integers(1, 400)), Tiling(stride=stride, tile=tile, overlap=overlap)


@given(tilings())
@settings(max_examples=300, deadline=None)
def test_weights_add_up_to_one_everywhere(case: tuple[int, Tiling]) -> None:
    length, tiling = case
    pieces = cut(length, tiling.check())
    padded = -(-length // tiling.stride) * tiling.stride
    total = torch.zeros(padded)
    for piece in pieces:
        assert piece.start % tiling.stride == 0 and 0 <= piece.start <= piece.begin
        assert piece.end <= piece.stop <= padded and piece.weights.min() > 0
        total[piece.begin : piece.end] += piece.weights
    torch.testing.assert_close(total, torch.ones(padded))
    assert [piece.final for piece in pieces[:-1]] == [piece.begin for piece in pieces[1:]]
    for first, second in pairwise(pieces):
        assert first.stop - second.start >= tiling.overlap and first.end <= first.stop


@given(tilings(), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_blocks_cover_the_picture_once(case: tuple[int, Tiling], width: int) -> None:
    """An answer that does not depend on neighbours comes back whole, to the last bit but rounding."""
    height, tiling = case
    picture = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(0))
    window = mirrored(lambda top, bottom, left, right: picture[:, :, top:bottom, left:right], (height, width))
    seen = torch.zeros(height, width)
    out = torch.zeros_like(picture)
    for top, left, part in blocks(lambda images: images, window, (height, width), tiling=tiling):
        rows, columns = slice(top, top + part.shape[2]), slice(left, left + part.shape[3])
        seen[rows, columns] += 1
        out[:, :, rows, columns] = part
    assert (seen == 1).all()
    torch.testing.assert_close(out, picture, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_borders_are_mirrored_as_numpy_does(length: int) -> None:
    row = np.arange(length)
    places = reflected(-11, length + 13, length)
    assert row[places.numpy()].tolist() == np.pad(row, (11, 13), mode="reflect").tolist()


def test_windows_read_no_more_than_they_need() -> None:
    picture = torch.rand(1, 3, 40, 50)
    read: list[tuple[int, int, int, int]] = []

    def inside(top: int, bottom: int, left: int, right: int) -> Tensor:
        read.append((top, bottom, left, right))
        return picture[:, :, top:bottom, left:right]

    window = mirrored(inside, (40, 50))
    padded = np.pad(picture[0].numpy(), ((0, 0), (5, 5), (9, 9)), mode="reflect")
    np.testing.assert_array_equal(window(-5, 10, 30, 59)[0], padded[:, 0:15, 39:68])
    assert read == [(0, 10, 30, 50)]


@pytest.mark.parametrize(
    ("tiling", "words"),
    [
        (Tiling(tile=-3), "tiles of -3 pixels make no sense"),
        (Tiling(tile=8, stride=16), "needs at least 16, and 0 means the whole picture"),
        (Tiling(tile=64, overlap=64), "that overlap by 64 do not advance: at most 63"),
        (Tiling(tile=64, overlap=90), "do not advance"),
        (Tiling(tile=64, overlap=40, stride=32), "at most 32 are shared"),
        (Tiling(tile=64, overlap=-1), "an overlap of -1 pixels makes no sense"),
    ],
)
def test_tiles_that_make_no_sense_are_refused(tiling: Tiling, words: str) -> None:
    with pytest.raises(OcellusError, match=words) as error:
        next(blocks(lambda images: images, lambda *place: torch.zeros(1), (100, 100), tiling=tiling))
    assert error.value.exit_code == 2
