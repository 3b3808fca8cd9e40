"""Several views of one picture: each is put back where it was, and their mean is of probabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.nn.dense import dense_logits
from ocellus.nn.views import VIEWS, Averaged, seen, unseen
from ocellus.values import Picture


class Rows(nn.Module):
    """Class 1 where a pixel is brighter than the one to its left: not the same for a mirror image."""

    def forward(self, images: Tensor) -> Tensor:
        left = images.roll(1, dims=3)
        return torch.cat([left, images], dim=1)


def test_views_differ_and_are_undone() -> None:
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    views = [seen(picture, view) for view in range(8)]
    assert len({tuple(view.flatten().tolist()) + tuple(view.shape) for view in views}) == 8
    assert all(torch.equal(unseen(view, index), picture) for index, view in enumerate(views))


@pytest.mark.parametrize("views", VIEWS)
def test_the_mean_is_of_probabilities(views: int) -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 5, 7)
    network = Rows()
    wanted = torch.stack([unseen(network(seen(picture, v)).softmax(1), v) for v in range(views)]).mean(0)
    assert torch.allclose(Averaged(network, views)(picture).exp(), wanted, atol=1e-6)


def test_eight_views_do_not_care_how_the_picture_is_held() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 8, 12)
    network = Averaged(Rows(), 8)
    for view in range(8):
        turned = unseen(network(seen(picture, view)), view)
        assert torch.allclose(turned, network(picture), atol=1e-6)
    one = Averaged(Rows(), 1)
    assert not torch.allclose(unseen(one(seen(picture, 1)), 1), one(picture), atol=1e-3)


def test_scales_are_looked_at_and_put_back() -> None:
    """By hand: each scale of each view, its logits resized to the picture, the mean of the probabilities."""
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 16, 24)
    network, wanted = Rows(), torch.zeros(1, 2, 16, 24)
    for size in ((16, 24), (8, 12), (24, 36)):
        scaled = F.interpolate(picture, size=size, mode="bilinear", antialias=size[0] < 16)
        for view in range(2):
            answer = unseen(network(seen(scaled, view)), view)
            wanted += F.interpolate(answer, size=(16, 24), mode="bilinear").softmax(1) / 6
    found = Averaged(network, 2, scales=(1.0, 0.5, 1.5), stride=4)(picture)
    assert torch.allclose(found.exp(), wanted, atol=1e-5)


def test_scaled_sides_are_multiples_of_the_stride() -> None:
    sides = []

    class Told(Rows):
        def forward(self, images: Tensor) -> Tensor:
            sides.append(tuple(images.shape[2:]))
            return super().forward(images)

    Averaged(Told(), scales=(0.75, 1.0, 1.3, 0.25), stride=32)(torch.rand(1, 1, 64, 96))
    assert sides == [(64, 64), (64, 96), (96, 128), (32, 32)]


@pytest.mark.parametrize("name", ["fcn", "pspnet", "unet"])
def test_a_system_looks_as_its_settings_say(name: str) -> None:
    system = catalog.system(f"see/{name}")
    torch.manual_seed(0)
    one = system.build(replace(system.TINY, classes=3)).eval()
    many = system.build(replace(one.config, views=2, scales=(0.5, 1.0))).eval()
    many.load_state_dict(one.state_dict())
    photograph = Picture(pixels=torch.randint(256, (3, 70, 90), dtype=torch.uint8))
    plain, mean = (system.predict(network, photograph, probabilities=True) for network in (one, many))
    assert mean.labels.shape == (70, 90)
    assert not torch.allclose(plain.probabilities, mean.probabilities, atol=1e-3)
    with pytest.raises(OcellusError, match="scales"):
        system.build(replace(one.config, scales=(9.0,)))


def test_it_goes_through_tiles_like_any_network() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 20, 30)
    found = dense_logits(Averaged(Rows(), 8), picture, stride=4)
    assert found.shape == (1, 2, 20, 30)
    assert torch.allclose(found.exp().sum(1), torch.ones(1, 20, 30), atol=1e-5)
