"""The network against golden output, published weights, sizes; losses by hand; the slow optimisation."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from ocellus import catalog, weights
from ocellus.data.images import to_picture, write_picture
from ocellus.errors import OcellusError
from ocellus.imagine.fast_style.config import TINY, Config, Run, Train
from ocellus.imagine.fast_style.convert import import_state
from ocellus.imagine.fast_style.inference import generate, optimise, read_goal, read_style
from ocellus.imagine.fast_style.loss import (
    content_loss,
    disturbed,
    gram,
    random_motion,
    style_loss,
    style_patches,
    temporal_loss,
    total_variation,
)
from ocellus.imagine.fast_style.model import build, build_discriminator
from ocellus.metrics.flicker import warp
from ocellus.training.loss_network import LossNetwork


def parity(shared: Path) -> Any:
    specification = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def eye(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of random weights: enough to compare features."""
    system = catalog.system("see/classifier")
    torch.manual_seed(0)
    config = system.Config(classes=3, architecture="vgg", width=4, head_channels=4, short_side=32, crop=32)
    path = tmp_path_factory.mktemp("eye") / "vgg.safetensors"
    weights.save(path, system.build(config), weights.describe("see/classifier", config, labels=tuple("abc")))
    return path


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "style.png"
    write_picture(to_picture(data.chelsea()[:120, :160]), path)
    return path


def test_published_network(shared: Path) -> None:
    golden = parity(shared)
    fixture = golden.load(shared / "parity" / "fast_style-transformer")
    config, state, _ = import_state(fixture.state)
    network = build(config).eval()
    weights.load_state(network, state, source="golden")
    kept = {}
    network.blocks[-1].register_forward_hook(lambda module, inputs, output: kept.update(res5=output))
    with torch.no_grad():
        values = network(fixture.inputs[0] / 255).values * 255
    for name, ours in (("out", values), ("res5", kept["res5"])):
        _, relative = golden.compare(ours, fixture.outputs[name])
        assert relative < 1e-4, name


def test_statistics_of_old_files_are_dropped(shared: Path) -> None:
    state = dict(parity(shared).load(shared / "parity" / "fast_style-transformer").state)
    plain = import_state(state)
    for name in ("in1", "res3.in2"):
        state |= {f"{name}.running_mean": torch.zeros(4), f"{name}.running_var": torch.ones(4)}
    config, again, _ = import_state(state)
    assert config == plain[0] and again.keys() == plain[1].keys()
    with pytest.raises(OcellusError, match="known"):
        import_state({"conv1.weight": torch.zeros(1)})


def same(images: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME."""
    sides = []
    for side in (images.shape[3], images.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(images, sides)


def published(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """The TensorFlow network in plain functions, on grey levels."""

    def layer(name: str, features: Tensor, stride: int = 1) -> Tensor:
        kernel = state[f"{name}.weight"]
        found = F.conv2d(same(features, kernel.shape[-1], stride), kernel, stride=stride)
        return normed(name, found)

    def normed(name: str, features: Tensor) -> Tensor:
        scale, shift = state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]
        return F.instance_norm(features, weight=scale, bias=shift, eps=1e-3)

    features = F.relu(layer("conv1", images))
    features = F.relu(layer("conv2", features, 2))
    features = F.relu(layer("conv3", features, 2))
    for number in range(1, 6):
        inner = F.relu(layer(f"res{number}.conv1", features))
        features = features + layer(f"res{number}.conv2", inner)
    for name in ("up1", "up2"):
        height, width = 2 * features.shape[2], 2 * features.shape[3]
        found = F.conv_transpose2d(features, state[f"{name}.weight"], stride=2)[..., :height, :width]
        features = F.relu(normed(name, found))
    return torch.tanh(layer("out", features)) * 150 + 127.5


def test_published_wave(shared: Path) -> None:
    """Real weights: as plain functions say, and the photograph is still to be seen."""
    state = torch.load(shared / "data/weights/style_wave.pt", weights_only=True)
    config, ours, _ = import_state(state)
    assert config.last_norm and config.upsampling == "transposed" and not config.bias
    network = build(config).eval()
    weights.load_state(network, ours, source="wave")
    picture = to_picture(data.astronaut()[:96, 150:262])
    with torch.no_grad():
        wanted = published(state, picture.pixels[None].float())
    painted = generate(network, picture)
    error = (painted.pixels.float() - wanted[0].clamp(0, 255)).abs()
    assert painted.size == picture.size and float(error.max()) <= 1
    grey = [side.pixels.float().mean(0).flatten() for side in (picture, painted)]
    assert float(torch.corrcoef(torch.stack(grey))[0, 1]) > 0.5


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (33, 34), (64, 64)])
@pytest.mark.parametrize("kind", [("reflect", "nearest"), ("zero", "transposed")])
def test_any_size_comes_back(size: tuple[int, int], kind: tuple[str, str]) -> None:
    torch.manual_seed(0)
    network = build(replace(TINY, padding=kind[0], upsampling=kind[1], kernel=9))
    picture = to_picture(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    painted = generate(network, picture)
    assert painted.size == size and network.training


def test_border_of_an_odd_size_is_that_of_the_mirrored_picture() -> None:
    torch.manual_seed(0)
    network = build(TINY).eval()
    images = torch.rand(1, 3, 38, 41)
    mirrored = F.pad(images, (0, 3, 0, 2), mode="reflect")
    with torch.no_grad():
        assert torch.allclose(network(images).values, network(mirrored).values[..., :38, :41], atol=1e-6)


def test_groups_of_one_channel_are_instance_norm() -> None:
    """Also of a flat picture, whose variance is nothing but rounding."""
    torch.manual_seed(0)
    network = build(TINY).eval()
    for images in (torch.rand(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.9)):
        features = network.first.conv(images).contiguous(memory_format=torch.channels_last)
        wanted = F.instance_norm(features.contiguous().double(), eps=1e-5)
        assert float((network.first.norm(features) - wanted).abs().max()) < 2e-2
        assert network(images).pictures.isfinite().all()


def test_options_of_a_use() -> None:
    torch.manual_seed(0)
    network = build(TINY)
    picture = to_picture(data.astronaut()[:64, :80])
    painted = generate(network, picture)
    assert torch.equal(generate(network, picture, options=Run(strength=0.0)).pixels, picture.pixels)
    half = generate(network, picture, options=Run(strength=0.5)).pixels.float()
    assert (half - (painted.pixels.float() + picture.pixels.float()) / 2).abs().max() <= 1
    kept = generate(network, picture, options=Run(keep_colors=True)).pixels.float()
    inside = ((kept > 0) & (kept < 255)).all(dim=0)
    chroma = [side - side.mean(dim=0) for side in (kept, picture.pixels.float())]
    assert (chroma[0] - chroma[1])[:, inside].abs().max() <= 2
    grey = torch.tensor([65.481, 128.553, 24.966]) / 219
    light = [torch.einsum("c,chw->hw", grey, side) for side in (kept, painted.pixels.float())]
    assert (light[0] - light[1])[inside].abs().max() <= 2
    small = build(replace(TINY, longest=32))
    small.load_state_dict(network.state_dict())
    assert generate(small, picture).size == (64, 80)
    with pytest.raises(OcellusError, match="takes 0 to 1"):
        generate(network, picture, options=Run(strength=2))
    with pytest.raises(OcellusError, match="4 channels"):
        generate(network, replace(picture, channels=torch.rand(4, 64, 80)))


def test_gram_is_divided_by_all_numbers_of_the_features() -> None:
    features = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])[None]  # (1, 2, 1, 2)
    assert torch.allclose(gram(features)[0], torch.tensor([[5.0, 11.0], [11.0, 25.0]]) / 4)


def test_shuffled_pixels_have_the_same_gram_matrix(eye: Path) -> None:
    """Where things are does not matter to it: of shuffled features it is the same, at every layer; a look at
    the shuffled picture itself gives other features, for those look at neighbourhoods."""
    network = LossNetwork.load(eye)
    images = to_picture(data.astronaut()[100:164, 100:164]).floats()[None]
    order = torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))
    shuffled = images.flatten(2)[:, :, order].reshape(images.shape)
    assert torch.allclose(gram(shuffled), gram(images), rtol=1e-5)
    for name, features in network.features(images).items():
        own = torch.randperm(features[0, 0].numel(), generator=torch.Generator().manual_seed(1))
        mixed = features.flatten(2)[:, :, own].reshape(features.shape)
        assert torch.allclose(gram(mixed), gram(features), rtol=1e-4, atol=1e-6), name
    deep, other = (network.features(side)["relu3_3"] for side in (images, shuffled))
    assert float((gram(deep) - gram(other)).norm() / gram(deep).norm()) > 0.05


def test_losses_by_hand() -> None:
    found, truth = {"a": torch.full((1, 2, 1, 2), 3.0)}, {"a": torch.full((1, 2, 1, 2), 1.0)}
    assert float(content_loss(found, truth, {"a": 2.0}, scale="plain")) == 8  # 2 (3 - 1)²
    found["a"] = torch.full((1, 2, 1, 2), 2.0)
    truth["a"] = torch.full((1, 2, 1, 2), 4.0)
    assert float(content_loss(found, truth, {"a": 1.0}, scale="relative")) == pytest.approx(4 / 16)
    grams = {"a": torch.full((2, 2), 1.0)}  # of `found`: 2 · 2 · 2 / 4 = 2 everywhere
    assert float(style_loss(found, grams, {"a": 5.0}, scale="plain")) == pytest.approx(5 * 4)
    assert float(style_loss(found, grams, {"a": 5.0}, scale="relative")) == pytest.approx(5.0)
    image = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])
    assert float(total_variation(image)) == pytest.approx((1 + 3) / 2 + (0 + 2) / 2)


def test_temporal_loss_follows_the_known_motion() -> None:
    """What is painted on things and moves with them costs nothing; what stays in its place does."""
    torch.manual_seed(0)
    images = to_picture(data.astronaut()[100:180, 100:180]).floats()[None]
    train = Train(temporal_kind="motion", motion=6.0)
    later, flow = disturbed(images, train)
    moved, _ = warp(images, flow)
    assert torch.equal(later, moved) and float(flow.abs().max()) <= 6 + 0.03 * 40
    steady = temporal_loss(images * 0.5, later * 0.5, flow)
    pattern = torch.rand(images.shape)
    stuck = temporal_loss(images * 0.5 + 0.2 * pattern, later * 0.5 + 0.2 * pattern, flow)
    assert float(steady) < 1e-10 and float(stuck) > 1e-3
    quiet, none = disturbed(images, replace(train, temporal_kind="noise", noise=0.05))
    assert none is None and float((quiet - images).std()) == pytest.approx(0.05, rel=0.2)
    flows = random_motion(images.repeat(50, 1, 1, 1), most=4.0)
    assert float(flows[:, :, 40, 40].abs().max()) <= 4.1 and float(flows[:, 0, 40, 40].std()) > 1


def test_patches_are_of_the_style() -> None:
    torch.manual_seed(0)
    image = torch.arange(3 * 20 * 30).reshape(3, 20, 30).float()
    patches = style_patches(image, 6, side=8)
    for patch in patches:
        plain = patch if patch[0, 0, 1] > patch[0, 0, 0] else patch.flip(2)
        corner = int(plain[0, 0, 0])
        top, left = corner // 30, corner % 30
        assert torch.equal(plain, image[:, top : top + 8, left : left + 8])
    assert style_patches(image, 2, side=64).shape == (2, 3, 64, 64)


def test_discriminator_judges_patches() -> None:
    judge = build_discriminator(Config())
    assert judge(torch.rand(2, 3, 64, 64)).shape == (2, 1, 14, 14) and judge.sees == 34


def test_slow_optimisation_lowers_the_loss_and_moves_to_the_style(eye: Path, style: Path) -> None:
    picture = to_picture(data.astronaut()[:48, 200:264])
    found = optimise(picture, style=style, loss_network=eye, steps=12)
    assert found.picture.size == (48, 64)
    assert min(found.totals) < 0.5 * found.totals[0]
    assert len(found.totals) == len(found.seconds) >= 13
    assert list(found.seconds) == sorted(found.seconds)
    noise = optimise(picture, style=style, loss_network=eye, steps=2, start="noise")
    assert noise.totals[0] > found.totals[0]
    again = optimise(picture, style=style, loss_network=eye, steps=2, start="noise")
    assert torch.equal(noise.picture.pixels, again.picture.pixels)


def test_style_is_read_at_its_size(style: Path, tmp_path: Path) -> None:
    assert read_style(style, side=60).shape == (3, 60, 80)
    assert read_style(style, side=0).shape == (3, 120, 160)
    tiny = tmp_path / "tiny.png"
    write_picture(to_picture(np.zeros((9, 40, 3), np.uint8)), tiny)
    for path, wanted in (("", "--style"), (tmp_path / "none.jpg", "none.jpg"), (tiny, "40x9 pixels; .* 16")):
        with pytest.raises(OcellusError, match=wanted):
            read_style(path, side=64)


def test_wrong_loss_networks_are_refused(eye: Path, style: Path, tmp_path: Path) -> None:
    good = Train(style=str(style), loss_network=str(eye), style_side=64)
    assert list(read_goal(good).grams) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
    own = tmp_path / "style.safetensors"
    weights.save(own, build(TINY), weights.describe("imagine/fast_style", TINY))
    for change, wanted in (
        ({"loss_network": ""}, "--loss-network"),
        ({"loss_network": str(own)}, "of imagine/fast_style, not of see/classifier"),
        ({"style_layers": ("fire3",)}, "no layer 'fire3'"),
        ({"style_weights": (1.0, 2.0)}, "2 for 4 layers"),
        ({"style_layers": ("relu5_3",), "style_side": 16, "content_layers": ("relu5_3",)}, None),
    ):
        if wanted is None:
            read_goal(replace(good, **change))
            continue
        with pytest.raises(OcellusError, match=wanted):
            read_goal(replace(good, **change))
    with pytest.raises(OcellusError, match="photograph or noise"):
        optimise(to_picture(data.coins()[:64, :64]), style=style, loss_network=eye, start="zeros")
