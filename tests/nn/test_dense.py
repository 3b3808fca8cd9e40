"""Dense prediction: tiles answer what the whole picture would, and labels are what softmax says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn import dense
from ocellus.nn.dense import dense_logits, label_blocks, resized_rows, segment, settled
from ocellus.nn.tiles import Tiling
from ocellus.values import Picture


class Raw(NamedTuple):
    logits: Tensor


@dataclass(frozen=True)
class Config:
    channels: int = 3
    classes: int = 4


class Net(nn.Module):
    """Two convolutions, a pooling and its inverse: stride 2, a receptive field of 7 pixels to each side."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.config = Config(channels=channels)
        self.first = nn.Conv2d(channels, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, images: Tensor) -> Raw:
        x = F.max_pool2d(F.relu(self.first(images)), 2)
        x = F.interpolate(F.relu(self.second(x)), scale_factor=2, mode="bilinear", align_corners=False)
        return Raw(50 * self.last(x))


class Valid(nn.Module):
    """Three convolutions without padding: 3 pixels are lost on each side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3)
        )

    def forward(self, images: Tensor) -> Raw:
        return Raw(self.layers(images))


def photo(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("size", [(160, 224), (101, 77), (64, 300), (35, 33)])
@pytest.mark.parametrize(("tile", "overlap"), [(64, 24), (50, 40), (96, 30)])
def test_tiled_is_whole_where_the_receptive_field_fits(
    size: tuple[int, int], tile: int, overlap: int
) -> None:
    network, images = Net().eval(), photo(*size)
    whole = dense_logits(network, images, stride=2)
    tiled = dense_logits(network, images, stride=2, tile=tile, overlap=overlap)
    assert tuple(whole.shape) == (1, 4, *size)
    assert (tiled - whole).abs().max() <= 1e-3


@torch.no_grad()
def test_the_seam_test_can_fail() -> None:
    """Without an overlap the borders of tiles, padded with zeros, show."""
    network, images = Net().eval(), photo(160, 224)
    whole = dense_logits(network, images, stride=2)
    seams = dense_logits(network, images, stride=2, tile=64, overlap=0)
    assert (seams - whole).abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("size", [(60, 91), (5, 40), (2, 1)])
def test_valid_convolutions_see_the_mirror_image(size: tuple[int, int]) -> None:
    network, images = Valid().eval(), photo(*size)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode="reflect")
    wanted = network(torch.from_numpy(padded)).logits
    whole = dense_logits(network, images, stride=1, margin=3)
    tiled = dense_logits(network, images, stride=1, margin=3, tile=16)
    torch.testing.assert_close(whole, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(tiled, wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_to_the_stride_is_cropped_again() -> None:
    network, images = Net().eval(), photo(31, 45)
    padded = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (0, 1), (0, 3)), mode="reflect"))
    wanted = network(padded).logits[:, :, :31, :45]
    torch.testing.assert_close(dense_logits(network, images, stride=4)[:, :, :31], wanted)


@pytest.mark.parametrize("size", [(40, 60), (7, 9), (200, 33)])
def test_enlarging_by_strips_is_bilinear_interpolation(size: tuple[int, int]) -> None:
    logits = torch.randn(5, 23, 17)
    wanted = F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    middle = size[0] // 3
    strips = [resized_rows(logits, size, rows=rows) for rows in ((0, middle), (middle, size[0]))]
    torch.testing.assert_close(torch.cat(strips, dim=1), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("probabilities", [False, True])
def test_labels_and_confidence_are_those_of_softmax(
    probabilities: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "STRIP", 6 * 30 * 4)
    logits = 8 * torch.randn(6, 50, 30)
    parts = list(settled(10, 20, logits, probabilities=probabilities))
    assert len(parts) == 13 and [part.top for part in parts[:2]] == [10, 14] and parts[0].left == 20
    shares = logits.softmax(dim=0)
    assert torch.equal(torch.cat([part.labels for part in parts]), shares.argmax(dim=0).to(torch.uint8))
    found = torch.cat([part.confidence for part in parts])
    assert found.dtype == torch.float16 and (found.float() - shares.amax(dim=0)).abs().max() < 1e-3
    if probabilities:
        kept = torch.cat([part.probabilities for part in parts if part.probabilities is not None], dim=1)
        assert (kept.float() - shares).abs().max() < 1e-3


def picture(height: int, width: int) -> Picture:
    pixels = torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(2))
    return Picture(pixels=pixels.to(torch.uint8))


def test_segment_answers_at_the_pictures_size_in_any_mode() -> None:
    network = Net().train()
    seen = picture(61, 83)
    colors = ((1, 2, 3), (4, 5, 6))
    found = segment(network, seen, names=("a", "b", "c", "d"), colors=colors, stride=2, probabilities=True)
    assert network.training and found.size == (61, 83) and found.colors == colors
    assert found.labels.dtype == torch.uint8 and found.confidence is not None
    assert found.probabilities is not None and tuple(found.probabilities.shape) == (4, 61, 83)
    with torch.no_grad():
        logits = dense_logits(network.eval(), seen.floats()[None], stride=2)[0]
    assert torch.equal(found.labels, logits.argmax(dim=0).to(torch.uint8))


def test_short_side_looks_at_a_smaller_picture_and_enlarges_the_logits() -> None:
    network, seen = Net().eval(), picture(120, 90)
    found = segment(network, seen, stride=2, short_side=30)
    with torch.no_grad():
        small = F.interpolate(
            seen.floats()[None], size=(40, 30), mode="bilinear", align_corners=False, antialias=True
        )
        logits = network(small).logits
        wanted = F.interpolate(logits, size=(120, 90), mode="bilinear", align_corners=False)[0].argmax(dim=0)
    assert (found.labels == wanted).float().mean() > 0.999
    again = segment(network, picture(120, 90), stride=2, short_side=90)
    assert torch.equal(again.labels, segment(network, seen, stride=2).labels)


def test_large_pictures_are_shrunk_band_by_band(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands differ from the whole by less than the smallest step of a picture of 8 bits."""
    ramp = torch.linspace(0, 1, 4100)[:, None].expand(4100, 4200)
    window = dense.mirrored(lambda a, b, c, d: ramp[None, None, a:b, c:d], (4100, 4200))
    small = dense.shrunk(window, (4100, 4200), (100, 102))
    wanted = F.interpolate(ramp[None, None], size=(100, 102), mode="bilinear", antialias=True)
    assert small.shape == wanted.shape and (small - wanted).abs().max() < 1 / 255


def test_channels_must_fit() -> None:
    stack = Picture(pixels=picture(20, 20).pixels, channels=torch.rand(5, 20, 20), path="cells.tif")
    with pytest.raises(
        OcellusError, match=r"cells.tif has 5 channels, and the network takes 3: .*channels 5"
    ):
        segment(Net(), stack, stride=2)
    with pytest.raises(OcellusError, match="the picture has 3 channels, and the network takes 5"):
        segment(Net(5), picture(20, 20), stride=2)
    assert segment(Net(5), stack, stride=2).size == (20, 20)


def test_one_channel_is_the_brightness_of_colors() -> None:
    network, seen = Net(1).eval(), picture(24, 24)
    grey = torch.tensor(dense.GREY) @ seen.floats().flatten(1)
    with torch.no_grad():
        wanted = network(grey.view(1, 1, 24, 24)).logits[0].argmax(dim=0)
    assert torch.equal(segment(network, seen, stride=2).labels.long(), wanted)


def test_a_large_picture_is_looked_at_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few pixels at a time, and the same answer."""
    network, seen = Net().eval(), picture(300, 200)
    whole = segment(network, seen, stride=2)
    sizes: list[tuple[int, ...]] = []
    network.first.register_forward_hook(lambda module, given, out: sizes.append(tuple(out.shape[2:])))
    monkeypatch.setattr(dense, "LARGE", 50_000)
    monkeypatch.setattr(dense, "TILE", 96)
    monkeypatch.setattr(dense, "OVERLAP", 32)
    monkeypatch.setattr(dense, "GRID", 32)
    tiled = segment(network, seen, stride=2)
    assert len(sizes) > 4 and set(sizes) == {(96, 96)}
    assert (tiled.labels == whole.labels).float().mean() > 0.9999


def test_parts_leave_the_callers_gradients_alone() -> None:
    network = nn.Conv2d(3, 2, 3, padding=1)
    picture = torch.rand(1, 3, 64, 64)

    def window(top: int, bottom: int, left: int, right: int) -> Tensor:
        return picture[:, :, top:bottom, left:right]

    parts = [label_blocks(network, window, (64, 64), tiling=Tiling(tile=32, overlap=8)) for _ in range(2)]
    for one in parts:
        assert not next(one).labels.requires_grad
        assert torch.is_grad_enabled()
    for one in parts:  # in the order in which they began, so that none puts back what another found
        list(one)
    assert torch.is_grad_enabled()
