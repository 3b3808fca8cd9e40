"""Class ascent: until the network is sure, with what holds a picture smooth, and honest where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus import catalog, weights
from ocellus.draw.units import ascent_caption, draw_ascents
from ocellus.errors import OcellusError
from ocellus.explain import class_ascent
from ocellus.explain.class_ascent import Config
from ocellus.explain.class_ascent.climb import blurred, roughness
from ocellus.foreign import read_foreign
from ocellus.nn.scores import unit_score
from tests.explain.networks import Written

QUICK = Config(steps=40, least=4, jitter=2, size=24)


class Colors(nn.Module):
    """Class k is color k's mean, times a factor; the last class is one that no picture reaches."""

    def __init__(self, factor: float = 40.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.factor = factor
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, images: Tensor) -> Tensor:
        means = self.factor * self.conv(images).mean(dim=(2, 3))
        return torch.cat([means, means.mean(dim=1, keepdim=True) - 1], dim=1)


def real(shared: Path, file: str) -> tuple[nn.Module, tuple[str, ...]]:
    system = catalog.system("see/classifier")
    config, state, labels = system.import_state(read_foreign(shared / "data" / "weights" / file))
    network = system.build(config)
    weights.load_state(network, state, source=file)
    return network.eval(), labels.names


def test_it_becomes_green() -> None:
    found = class_ascent.explain(Colors(), score=1, names=("red", "green", "blue", "none"), config=QUICK)
    means = found.picture.floats().mean(dim=(1, 2))
    assert found.reached and found.probability > 0.99 > found.start and found.first[0] == "green"
    assert means[1] > means[0] + 0.1 and means[1] > means[2] + 0.1
    assert found.target == "class green" and len(found.history) == found.steps < 40
    with torch.no_grad():  # the figure is that of the picture in 8 bits, as it is given
        again = Colors()(found.picture.floats()[None]).softmax(dim=1)[0, 1]
    assert float(again) == pytest.approx(found.probability, abs=1e-6)


def test_what_is_not_reached_is_said() -> None:
    found = class_ascent.explain(Colors(), score=3, names=("red", "green", "blue", "none"), config=QUICK)
    assert not found.reached and found.steps == 40 and found.probability < 0.5
    assert "NOT REACHED" in found.line() and "more than 99 %" in found.line()
    assert found.to_dict()["reached"] is False and ascent_caption(found).endswith("not reached")


def test_same_seed_same_picture_and_another_another() -> None:
    network = Written("in place")
    one, same, other = (
        class_ascent.explain(network, score=1, config=Config(steps=6, size=32, seed=seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(one.picture.pixels, same.picture.pixels) and torch.equal(one.history, same.history)
    assert not torch.equal(one.picture.pixels, other.picture.pixels)


def test_norms_hold_the_picture() -> None:
    """More weight, less of it: the distance from grey, and the differences of neighbours."""

    def climbed(**more: float) -> Tensor:
        config = Config(steps=30, least=30, size=32, blur=0.0, decay=0.0, variation=0.0)
        config = Config(**{**vars(config), **more})
        return class_ascent.explain(Written("functional"), score=2, config=config).picture.floats()

    plain, decayed, smooth, soft = climbed(), climbed(decay=5.0), climbed(variation=20.0), climbed(blur=1.0)
    assert (decayed - 0.5).square().mean() < 0.7 * (plain - 0.5).square().mean()
    rough = [float(one.diff(dim=1).square().mean()) for one in (plain, smooth, soft)]
    assert rough[1] < 0.7 * rough[0] and rough[2] < 0.7 * rough[0]


def test_roughness_is_the_gradient_and_the_blur_is_gaussian() -> None:
    pixels = torch.rand(1, 3, 9, 7, dtype=torch.float64, requires_grad=True)
    value = (pixels.diff(dim=2).square().sum() + pixels.diff(dim=3).square().sum()) / 2
    (wanted,) = torch.autograd.grad(value, pixels)
    assert torch.allclose(roughness(pixels.detach()), wanted)
    soft = gaussian_filter(pixels.detach()[0, 1].numpy(), 0.8, mode="nearest", radius=2)
    assert np.allclose(blurred(pixels.detach(), 0.8)[0, 1].numpy(), soft, atol=1e-6)


def test_it_gets_past_rectifiers_that_are_shut() -> None:
    """The class's map is below 0 everywhere on grey, so that no gradient comes back at first."""

    class Shut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            with torch.no_grad():
                self.conv.weight.copy_(torch.tensor([[1.0, -1, 0], [0, 0, 1]])[:, :, None, None])
                self.conv.bias.copy_(torch.tensor([-0.5, -0.2]))

        def forward(self, images: Tensor) -> Tensor:
            return 50 * F.relu(self.conv(images)).mean(dim=(2, 3))

    grey = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    (none,) = torch.autograd.grad(Shut()(grey)[0, 0], grey)
    assert not none.any()
    found = class_ascent.explain(Shut(), score=0, config=Config(steps=60, least=4, size=16))
    assert found.reached, found.line()


def test_other_answers_than_classes() -> None:
    network = Written("functional")
    found = class_ascent.explain(network, score=unit_score("convs.1", 3), config=Config(steps=12, size=32))
    assert not found.reached and found.probability != found.probability and found.steps == 12
    assert found.history[-1] > found.history[0] and found.line().startswith("unit 3 of convs.1: score")


def test_beginning_with_a_picture() -> None:
    pixels = torch.full((3, 20, 30), 0.2)
    found = class_ascent.explain(Colors(), pixels, score=2, config=Config(steps=8, least=8, noise=0.0))
    assert found.picture.size == (20, 30) and found.picture.floats()[0].mean() < 0.4


def test_squeezenet_is_sure_of_flamingos(shared: Path) -> None:
    network, names = real(shared, "squeezenet1_0.pt")
    config = Config(steps=32, least=4, size=97)
    found = class_ascent.explain(network, score=names.index("flamingo"), names=names, config=config)
    assert found.reached and found.first[0] == "flamingo" and found.start < 0.1, found.line()


def test_resnet_is_sure_of_each_of_its_classes(shared: Path) -> None:
    network, names = real(shared, "resnet20_cifar10.pt")
    for label in range(10):
        config = Config(steps=64, least=4, jitter=2)
        found = class_ascent.explain(network, score=label, names=names, config=config)
        assert found.reached and found.picture.size == (32, 32), found.line()


def test_drawing_and_file(tmp_path: Path) -> None:
    found = class_ascent.explain(Colors(), score=0, config=QUICK)
    found.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["pixels"].shape == (3, 24, 24) and float(arrays["probability"]) == found.probability
    assert draw_ascents([found, found], cell=48).size[1] == 2 * 48 + 3 * 8


def test_what_there_is_not_is_refused() -> None:
    network = Colors()
    for given, wanted in (
        ({"score": 4}, "class 4 .* has 4: 0 to 3"),
        ({"score": 0, "config": Config(sure=1.0)}, "sure is 1"),
        ({"score": 0, "config": Config(objective="loss")}, "objective is 'loss'"),
        ({"score": 0, "config": Config(steps=0)}, "steps is 0"),
        ({"score": 0, "config": Config(rate=-1.0)}, "rate is -1"),
        ({"score": 0, "config": Config(size=3)}, "size is 3"),
    ):
        with pytest.raises(OcellusError, match=wanted) as caught:
            class_ascent.explain(network, **given)
        assert caught.value.exit_code == 2
    with pytest.raises(OcellusError, match="takes no pictures"):
        class_ascent.explain(nn.Sequential(nn.Linear(10, 3)), score=0)
    maker = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Flatten(0))
    with pytest.raises(OcellusError, match="no class scores"):
        class_ascent.explain(maker, score=0)


def test_network_is_left_as_it_was() -> None:
    network = Written("in place").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        class_ascent.explain(network, score=0, config=Config(steps=3, size=32))
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
