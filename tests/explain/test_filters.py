"""Filters: those of known networks, in the picture's colors whatever the preparation, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from ocellus.draw.units import draw_filters
from ocellus.errors import OcellusError
from ocellus.explain import filters
from ocellus.explain.filters import Config
from ocellus.values import Filters
from tests.explain.networks import Written, image, squeezenet


class Prepared(nn.Module):
    """Blue, green, red in 0 to 255 less a mean, as Caffe's networks take them; the first filter is given."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.late = nn.Conv2d(4, 2, 1)  # built first, called second
        self.conv = nn.Conv2d(3, len(weight), weight.shape[2], bias=False)
        self.conv.weight = nn.Parameter(weight)
        self.mean = torch.tensor([104.0, 117.0, 123.0])[:, None, None]

    def forward(self, images: Tensor) -> Tensor:
        return self.late(self.conv(images.flip(1) * 255 - self.mean))


def test_filters_act_on_red_green_and_blue() -> None:
    """The response to a picture is that of the filter found, but for a constant."""
    torch.manual_seed(0)
    network = Prepared(torch.randn(4, 3, 5, 5))
    found = filters.explain(network)
    assert found.layer == "conv" and found.in_picture and found.colored
    one, other = torch.rand(2, 1, 3, 5, 5)
    mine = (found.weights * (one - other)).sum(dim=(1, 2, 3))
    theirs = (network.conv(one.flip(1) * 255) - network.conv(other.flip(1) * 255)).flatten()
    assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-2)
    plain = filters.explain(network, config=Config(space="weights"))
    assert torch.equal(plain.weights, network.conv.weight) and not plain.colored


def test_other_layers_and_their_weights() -> None:
    network = Written("functional")
    found = filters.explain(network, image(32), layer="convs.1")
    assert torch.equal(found.weights, network.convs[1].weight) and not found.in_picture
    grouped = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, bias=False))
    dense = filters.explain(grouped, torch.rand(4, 9, 9)).weights
    pixels = torch.rand(1, 4, 3, 3)
    assert torch.allclose((dense * pixels).sum(dim=(1, 2, 3)), grouped(pixels).flatten(), atol=1e-6)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 6, 5))
    template = filters.explain(linear, torch.rand(3, 8, 6))
    assert template.weights.shape == (5, 3, 8, 6)
    assert torch.allclose(template.weights.flatten(1), linear[1].weight, atol=1e-4)


def test_figures_of_known_filters() -> None:
    """By hand: a checkerboard, a constant, one color alone and one that is empty."""
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).expand(3, 2, 2)
    constant, red = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    red[0] = 1
    found = Filters(weights=torch.stack([board, constant, red, torch.zeros(3, 2, 2)]), layer="a",
                    in_picture=True)  # fmt: skip
    assert found.smoothness()[:3].tolist() == [-1, 1, 1]
    assert found.colorfulness()[:3].tolist() == pytest.approx([0, 0, 2 / 3], abs=1e-6)
    assert found.silent().tolist() == [False, False, False, True]
    assert found.norms()[1] == pytest.approx(12**0.5)


def test_learned_filters_are_smooth_and_fresh_ones_are_noise(shared: Path) -> None:
    torch.manual_seed(0)
    fresh = filters.explain(torchvision.models.squeezenet1_0(weights=None), torch.rand(3, 40, 40))
    learned = filters.explain(squeezenet(shared), torch.rand(3, 40, 40))
    assert abs(float(fresh.smoothness().median())) < 0.1 < 0.5 < float(learned.smoothness().median())
    assert float(fresh.colorfulness().median()) == pytest.approx(2 / 3, abs=0.06)
    assert float(learned.colorfulness().median()) < 0.4


def test_order_drawing_and_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Prepared(torch.randn(4, 3, 3, 3) * torch.tensor([1.0, 3, 0, 2])[:, None, None, None])
    found = filters.explain(network, config=Config(order="norm"))
    assert (found.norms().diff() <= 0).all() and found.to_dict()["silent"] == 1
    plain = filters.explain(network).weights
    assert all(
        torch.equal(own, plain[number]) for own, number in zip(found.weights, found.numbers, strict=True)
    )
    assert found.numbers == tuple(
        network.conv.weight.flatten(1).norm(dim=1).argsort(descending=True).tolist()
    )
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["layer"] == "conv" and torch.equal(torch.from_numpy(arrays["weights"]), found.weights)
    red = torch.zeros(2, 3, 1, 1)
    red[0, 0], red[1, 0] = 1, -2
    drawn = draw_filters(Filters(weights=red, layer="a", in_picture=True), cell=40, columns=2).pixels
    assert drawn[:, 20, 20].tolist() == [255, 128, 128] and drawn[:, 20, 66].tolist() == [0, 128, 128]


def test_what_has_no_filters_is_refused() -> None:
    words = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    vector = nn.Sequential(nn.Linear(10, 3))
    for network, given, wanted in (
        (Written("functional"), {"layer": "convs.9"}, r"no layer 'convs.9' .* there is convs"),
        (Written("functional"), {"layer": "norm"}, "norm is a BatchNorm2d.*the first is convs.0"),
        (Written("functional"), {"layer": "last"}, "over 12 numbers, not over the pixels"),
        (words, {}, "takes no pictures: its first layer with weights, 0, is a Embedding"),
        (vector, {}, "takes no pictures"),
        (nn.Sequential(nn.ReLU()), {}, "no layer with weights"),
        (Written("functional"), {"config": Config(order="size")}, "order is 'size'"),
        (Written("functional"), {"layer": "convs.1", "config": Config(space="picture")}, "leave out"),
        (nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3)), {}, "--space weights"),
    ):
        with pytest.raises(OcellusError, match=wanted) as caught:
            filters.explain(network, **given)
        assert caught.value.exit_code == 2
