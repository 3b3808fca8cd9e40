"""Activation maps of units that are known, and what silencing some does to the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ocellus.draw.units import draw_activations
from ocellus.errors import OcellusError
from ocellus.explain import activations
from ocellus.explain.activations import Config
from ocellus.values import Picture
from tests.explain.networks import Written, image


class Colors(nn.Module):
    """Unit 0 is red, 1 green, 2 blue, 3 is below 0; class k is unit k's mean, times 10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.cat([torch.eye(3), -torch.ones(1, 3)])[:, :, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return 10 * self.relu(self.conv(images)).mean(dim=(2, 3))


def picture() -> Picture:
    """Red on the left, a little green on the right."""
    pixels = torch.zeros(3, 6, 8, dtype=torch.uint8)
    pixels[0, :, :4], pixels[1, :, 4:] = 255, 51
    return Picture(pixels=pixels)


def test_maps_are_what_the_units_put_out() -> None:
    found = activations.explain(Colors(), picture(), layer="conv")
    assert found.channels == (0, 1, 2, 3) and found.count == 4 and found.asleep == 2
    assert torch.allclose(found.values[:3], picture().floats())
    assert float(found.values[3].amin()) == pytest.approx(-1)  # before the ReLU that overwrites it
    assert activations.explain(Colors(), picture()).values.amin() == 0  # the last layer with maps: behind it
    named = activations.explain(Colors(), picture(), layer="conv", config=Config(units=(2, 0)))
    assert named.channels == (2, 0) and torch.equal(named.values[1], found.values[0])
    assert activations.explain(Colors(), picture(), config=Config(most=2)).channels == (0, 1)
    facts = found.to_dict()["units"][0]
    assert facts["peak"] == [0, 0] and facts["high"] == 1 and facts["awake"] == 0.5


def test_masking_and_keeping_change_the_answer() -> None:
    """By hand: red covers one half at 1, green the other at 0.2; the logits are 5, 1, 0, 0."""
    options = {"layer": "conv", "names": ("red", "green", "blue", "dark")}
    found = activations.explain(Colors(), picture(), **options, config=Config(mask=(0,)))
    masking = found.masking
    assert masking is not None and masking.target == "class red"
    assert masking.before == pytest.approx(5) and masking.after == 0
    weights = torch.tensor([5.0, 1, 0, 0]).softmax(dim=0), torch.tensor([0.0, 1, 0, 0]).softmax(dim=0)
    assert masking.shares == pytest.approx((float(weights[0][0]), float(weights[1][0])), abs=1e-5)
    assert [name for name, _ in masking.first] == ["red", "green"]
    assert "it now says green" in masking.line() and "1 of 4" in masking.line()
    assert found.channels[0] == 1 and not found.values[found.channels.index(0)].any()  # as without it
    kept = activations.explain(Colors(), picture(), score=1, **options, config=Config(keep=(0,))).masking
    assert kept is not None and kept.silenced == 3 and kept.target == "class green" and kept.after == 0


def test_masking_an_early_layer_changes_later_maps() -> None:
    network = Written("in place")
    whole = activations.explain(network, image(32), layer="convs.2", config=Config(units=(0, 1)))
    options = Config(units=(0, 1), mask=tuple(range(8)), mask_layer="convs.0")
    without = activations.explain(network, image(32), layer="convs.2", config=options)
    assert not torch.allclose(whole.values, without.values)
    dark = network.eval().convs[1](torch.zeros(1, 8, 16, 16))  # nothing is left behind the first layer
    wanted = network.convs[2](torch.relu(network.norm(dark)))[0, :2]
    assert torch.allclose(without.values, wanted, atol=1e-6)


def test_of_several_levels_the_deepest_is_looked_at() -> None:
    class Levels(nn.Module):
        def forward(self, images: Tensor) -> list[Tensor]:
            return [images[:, :2], -images]

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.levels = Levels()

        def forward(self, images: Tensor) -> Tensor:
            fine, deep = self.levels(images)
            return torch.stack([fine.mean(dim=(1, 2, 3)), deep[:, 2].mean(dim=(1, 2))], dim=1)

    options = {"layer": "levels", "score": 1}
    found = activations.explain(Deep(), image(8), **options, config=Config(mask=(2,)))
    assert found.count == 3 and found.masking is not None and found.masking.after == 0 > found.masking.before
    whole = activations.explain(Deep(), image(8), layer="levels")
    assert torch.equal(whole.values[list(whole.channels).index(1)], -image(8)[0, 1])


def test_effects_are_the_falls_of_single_units() -> None:
    found = activations.explain(Colors(), picture(), layer="conv", score=0, config=Config(effects=True))
    assert found.effects is not None and found.effects.tolist() == pytest.approx([5, 0, 0, 0])
    assert found.target == "class 0"


def test_drawing_and_file(tmp_path: Path) -> None:
    found = activations.explain(Colors(), picture(), layer="conv")
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["channels"].tolist() == [0, 1, 2, 3] and arrays["values"].shape == (4, 6, 8)
    drawn = draw_activations(found, columns=5, cell=40).pixels
    assert drawn[:, 20, 10].tolist() == [255, 0, 0]  # the picture itself
    left, right = drawn[:, 20, 6 + 46 + 5], drawn[:, 20, 6 + 46 + 35]
    assert left.sum() > right.sum()  # unit 0 is bright on the left


def test_what_there_is_not_is_refused() -> None:
    for given, wanted in (
        ({"layer": "cnv"}, r"no layer 'cnv' .* there is conv"),
        ({"config": Config(units=(4,))}, "unit 4 .* has 4: 0 to 3"),
        ({"config": Config(mask=(-1,))}, "unit -1"),
        ({"config": Config(mask=(1,), keep=(2,))}, "mask and keep"),
        ({"config": Config(order="best")}, "order is 'best'"),
        ({"config": Config(mask=(1,)), "score": 7}, "class 7 .* has 4: 0 to 3"),
    ):
        with pytest.raises(OcellusError, match=wanted) as caught:
            activations.explain(Colors(), picture(), **given)
        assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match=r"last puts out \(1, 5\), which has no places.*convs.2"):
        activations.explain(Written("functional"), image(32), layer="last")
    with pytest.raises(OcellusError, match="takes no pictures"):
        activations.explain(nn.Sequential(nn.Linear(10, 3)), image(32))


def test_network_is_left_as_it_was() -> None:
    network = Colors().train()
    before = network.conv.weight.clone()
    activations.explain(network, picture(), config=Config(mask=(0,), effects=True))
    assert network.training and network.conv.weight.requires_grad and torch.equal(network.conv.weight, before)
    assert all(not module._forward_hooks for module in network.modules())


def test_units_of_maps_that_keep_channels_last() -> None:
    """As Swin's: (B, h, w, C). The units are the channels, not the rows."""

    class Turned(Colors):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            return 10 * self.turn(self.relu(self.conv(images)).permute(0, 2, 3, 1)).mean(dim=(1, 2))

    for config in (Config(order="index", effects=True), Config(order="index", mask=(0,))):
        first, last = (
            activations.explain(network, picture(), layer=layer, score=0, config=config)
            for network, layer in ((Colors(), "relu"), (Turned(), "turn"))
        )
        assert last.count == 4 and torch.equal(first.values, last.values)
        if first.effects is not None and last.effects is not None:
            assert torch.allclose(first.effects, last.effects, atol=1e-5) and first.effects[0] > 1
        if first.masking is not None and last.masking is not None:
            assert last.masking.after == pytest.approx(first.masking.after) == 0
