"""Bicubic resizing against low-resolution pictures that MATLAB made, and against cases done by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocellus.data.bicubic import low_resolution, resize_bicubic, weights
from ocellus.data.images import read_picture


@pytest.mark.parametrize("folder", ["Set5", "Set14"])
def test_equals_the_published_small_pictures(shared: Path, folder: str) -> None:
    """Down-scaling by 4 gives every pixel of the test sets' own pictures; torch's bicubic does not."""
    files = sorted((shared / "data" / "sr" / folder / "HR").iterdir())
    assert len(files) == {"Set5": 5, "Set14": 14}[folder]
    for file in files:
        large = read_picture(file).floats()
        published = read_picture(file.parent.parent / "LR_x4" / file.name).floats()
        apart = 255 * (low_resolution(large, 4) - published).abs()
        assert (apart > 0.5).sum() == 0, file.name
        naive = torch.nn.functional.interpolate(
            large[None], published.shape[1:], mode="bicubic", antialias=True
        )
        assert (255 * (naive[0] - published).abs()).max() > 2, "the test would not tell the two apart"


def test_by_hand_twice_as_large() -> None:
    """Output 0 lies at -1/4: taps -2..1 at distances 7/4, 3/4, 1/4, 5/4, the first two mirrored."""
    row = weights(4, 8, scale=2.0)
    far, near = -0.0234375, 0.2265625  # Keys' cubic at 7/4 and 3/4
    close, beyond = 0.8671875, -0.0703125  # at 1/4 and 5/4
    expected = torch.tensor([near + close, far + beyond, 0, 0])
    torch.testing.assert_close(row[0], expected)
    torch.testing.assert_close(row[3], torch.tensor([beyond, close, near, far]))


@pytest.mark.parametrize("scale", [0.25, 1 / 3, 0.5, 1, 1.5, 2, 3, 4])
def test_keeps_what_must_be_kept(scale: float) -> None:
    """Flat pictures stay flat; a ramp stays a ramp away from the border; mirroring commutes."""
    flat = torch.full((2, 3, 24, 36), 0.3)
    resized = resize_bicubic(flat, scale)
    torch.testing.assert_close(resized, torch.full_like(resized, 0.3))
    ramp = torch.arange(60.0).expand(1, 12, 60)
    out = resize_bicubic(ramp, scale)[0, 0]
    centres = (torch.arange(len(out)) + 0.5) / scale - 0.5
    inside = (centres > 12) & (centres < 47)
    torch.testing.assert_close(out[inside], centres[inside], rtol=1e-4, atol=1e-4)
    noise = torch.rand(3, 24, 36, generator=torch.Generator().manual_seed(0))
    if float(36 * scale).is_integer():
        torch.testing.assert_close(
            resize_bicubic(noise.flip(-1), scale), resize_bicubic(noise, scale).flip(-1)
        )


def test_blocks_change_nothing() -> None:
    """Long lines are computed in blocks; each output is that of the whole table."""
    image = torch.rand(1, 700, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = weights(700, 400, scale=400 / 700).double() @ image
    torch.testing.assert_close(resize_bicubic(image, size=(400, 3)), whole)


def test_sides_of_their_own_and_errors() -> None:
    assert resize_bicubic(torch.rand(2, 3, 10, 20), size=(7, 41)).shape == (2, 3, 7, 41)
    assert resize_bicubic(torch.rand(3, 10, 21), 0.25).shape == (3, 3, 6)  # ceil, as MATLAB
    with pytest.raises(ValueError, match="either"):
        resize_bicubic(torch.rand(3, 4, 4))
    with pytest.raises(ValueError, match="cannot become"):
        resize_bicubic(torch.rand(3, 4, 4), size=(0, 4))
