"""The conditional GAN's networks: published answers, logits and losses by hand, what it draws and refuses."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ocellus.errors import OcellusError
from ocellus.imagine.conditional_gan.config import DCGAN, PAPER, PRESETS, TINY, Config, Run, Train
from ocellus.imagine.conditional_gan.convert import discriminator_state, import_state
from ocellus.imagine.conditional_gan.inference import between, generate, noise_of, settle
from ocellus.imagine.conditional_gan.loss import discriminator_losses, generator_losses, mirrored, varied
from ocellus.imagine.conditional_gan.model import (
    ARCHITECTURES,
    CONDITIONS,
    Refined,
    build,
    build_discriminator,
    example,
    stages_of,
)
from ocellus.nn.class_conditions import class_spread
from ocellus.values import Picture

WORST = 1e-4
NAMES = ("cat", "train")


def fixture(shared: Path, name: str) -> tuple[Any, Any]:
    """The golden files' own reader, and what it reads."""
    spec = importlib.util.spec_from_file_location("parity", shared / "parity" / "parity.py")
    assert spec is not None and spec.loader is not None
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    return parity, parity.load(shared / "parity" / name)


def tiny(config: Config = TINY) -> Any:
    torch.manual_seed(0)
    return build(config).eval()


def test_generator_answers_as_the_published_dcgan(shared: Path) -> None:
    parity, golden = fixture(shared, "conditional_gan-dcgan_g")
    config, state, labels = import_state(golden.state)
    assert (config.noise, config.width, config.channels, config.side) == (100, 64, 3, 64)
    network = build(config).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        found = 2 * network(golden.inputs[0].flatten(1)).pictures - 1
    assert parity.compare(found, golden.outputs["out"])[1] <= WORST
    assert len(generate(network, "picture", names=labels.names, options=Run(count=2))) == 2
    assert len(generate(network, "all", names=labels.names, options=Run(count=2))) == 2


def test_discriminator_answers_as_the_published_dcgan(shared: Path) -> None:
    parity, golden = fixture(shared, "conditional_gan-dcgan_d")
    config, state = discriminator_state(golden.state)
    network = build_discriminator(config).eval()
    network.load_state_dict(state)
    images = (golden.inputs[0] + 1) / 2
    before: list[torch.Tensor] = []
    network.norms[-1].register_forward_hook(lambda *found: before.append(found[2]))
    with torch.no_grad():
        verdict = network(images).sigmoid().flatten()
        features = nn.functional.leaky_relu(before[0], 0.2)
    assert parity.compare(features, golden.outputs["features"])[1] <= WORST
    assert parity.compare(verdict, golden.outputs["out"])[1] <= WORST


def test_checkpoints_of_other_kinds(shared: Path) -> None:
    _, generator = fixture(shared, "conditional_gan-dcgan_g")
    _, discriminator = fixture(shared, "conditional_gan-dcgan_d")
    with pytest.raises(OcellusError, match="discriminator, which draws nothing"):
        import_state(discriminator.state)
    with pytest.raises(OcellusError, match="the DCGAN's generator"):
        discriminator_state(generator.state)
    with pytest.raises(OcellusError, match="not those of the DCGAN"):
        import_state({"conv1.weight": torch.zeros(1)})
    whole = dict(generator.state)
    whole["main.13.weight"] = torch.zeros(3)
    with pytest.raises(OcellusError, match=r"main\.13\.weight"):
        import_state(whole)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_class_counts_where_there_is_one(architecture: str, condition: str) -> None:
    """For the generator and for the discriminator; none asks for the mean of all classes."""
    config = replace(TINY, architecture=architecture, condition=condition, classes=3, channels=3)
    torch.manual_seed(0)
    network, judge = build(config).eval(), build_discriminator(config).eval()
    for module in network.modules():
        if hasattr(module, "shift"):
            nn.init.normal_(module.shift)
    noise, _ = example(config, 4)
    images, first, second = torch.rand(4, 3, 16, 16), torch.zeros(4, dtype=torch.int64), torch.full((4,), 2)
    with torch.no_grad():
        pictures = [network(noise, classes).pictures for classes in (first, second)]
        logits = [judge(images, classes) for classes in (first, second)]
        assert judge(images).shape == (4, 1) and network(noise).pictures.shape == (4, 3, 16, 16)
        hot = nn.functional.one_hot(first, 3).float()
        assert torch.equal(network(noise, hot).pictures, pictures[0])
    assert pictures[0].min() >= 0 and pictures[0].max() <= 1
    assert torch.equal(*pictures) is (condition == "none")
    assert torch.equal(*logits) is (condition == "none")


def test_projection_by_hand() -> None:
    """logit = ψ(Σφ) + v_y · Σφ, Miyato 2018, equation 3; without a class v is the mean over classes."""
    config = replace(TINY, classes=3, blocks=0, spectral=False, compares=False)
    torch.manual_seed(0)
    judge = build_discriminator(config).eval()
    images, classes = torch.rand(5, 1, 16, 16), torch.tensor([0, 1, 2, 2, 0])
    with torch.no_grad():
        found, mean = judge(images, classes), judge(images)
        maps = 2 * images - 1
        for conv in judge.convs:
            maps = nn.functional.leaky_relu(conv(maps), 0.2)
        pooled = maps.sum(dim=(2, 3))
        weight, bias = judge.last.weight[0], judge.last.bias[0]
        table = judge.vector.weight.T
        for row, label in enumerate(classes.tolist()):
            wanted = pooled[row] @ weight + bias + pooled[row] @ table[label]
            assert found[row, 0].item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-5)
            between_all = pooled[row] @ weight + bias + pooled[row] @ table.mean(dim=0)
            assert mean[row, 0].item() == pytest.approx(between_all.item(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("condition", ["none", "projection"])
def test_blocks_add_to_what_they_are_given(condition: str) -> None:
    """With second convolutions of zeros a generator with blocks is the one without."""
    torch.manual_seed(0)
    plain = replace(TINY, condition=condition, blocks=0)
    inputs = example(plain, 4)
    small, large = build(plain).eval(), build(replace(plain, blocks=2)).eval()
    blocks = [module for module in large.modules() if isinstance(module, Refined)]
    assert len(blocks) == 2 * len(large.norms)
    report = large.load_state_dict(small.state_dict(), strict=False)
    assert not report.unexpected_keys and all(key.startswith("refined.") for key in report.missing_keys)
    with torch.no_grad():
        wanted = small(*inputs).pictures
        assert not torch.allclose(large(*inputs).pictures, wanted, atol=1e-4)
        for block in blocks:
            nn.init.zeros_(block.convs[1].weight)
        torch.testing.assert_close(large(*inputs).pictures, wanted)


def test_a_block_by_hand() -> None:
    torch.manual_seed(0)
    judge = build_discriminator(replace(TINY, blocks=2))
    assert [len(blocks) for blocks in judge.refined] == [2, 2]  # at 8 and at 4 pixels
    block, features = Refined(3), torch.randn(2, 3, 5, 5)
    one, two = block.convs
    with torch.no_grad():
        found = features + two(nn.functional.leaky_relu(one(features), 0.2))
        wanted = torch.where(found > 0, found, 0.2 * found)
        torch.testing.assert_close(block(features, torch.ones(2, 1), slope=0.2), wanted)


def test_without_noise_nothing_is_compared() -> None:
    """All pictures of a class are then one, which the discriminator would see at once."""
    judge = build_discriminator(replace(TINY, noise=0))
    assert not judge.compares and judge(torch.rand(4, 1, 16, 16), torch.tensor([0, 0, 1, 1])).shape == (4, 1)


def test_spread_by_hand() -> None:
    """Per class: the deviation of each feature, and the mean over features; a picture alone has none."""
    features = torch.tensor([[0.0, 1.0], [4.0, 1.0], [5.0, 7.0], [2.0, 4.0]])[:, :, None, None]
    classes = nn.functional.one_hot(torch.tensor([0, 0, 1, 0]), 2).float()
    found = class_spread(features, classes)
    first, second = (torch.tensor(column).std(correction=0) for column in ([0.0, 4.0, 2.0], [1.0, 1.0, 4.0]))
    mean = ((first + second) / 2).item()
    assert found.tolist() == pytest.approx([mean, mean, 1e-4, mean], abs=1e-4)


def test_the_discriminator_compares_the_pictures_of_a_class() -> None:
    """The logit of a picture depends on the others of its class in the batch, and on no others."""
    torch.manual_seed(0)
    judge = build_discriminator(TINY).eval()
    images, classes = torch.rand(4, 1, 16, 16), torch.tensor([0, 0, 1, 1])
    changed = images.clone()
    changed[3] = images[2]
    with torch.no_grad():
        before, after = judge(images, classes), judge(changed, classes)
    assert torch.allclose(before[:2], after[:2], atol=1e-6) and (before[2] - after[2]).abs() > 1e-6


def test_without_a_class_the_discriminator_does_not_look_at_labels() -> None:
    """Not even to compare the pictures of a batch: it compares all of them."""
    torch.manual_seed(0)
    judge = build_discriminator(replace(TINY, condition="none")).eval()
    images = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        first, second = judge(images, torch.tensor([0, 0, 1, 1])), judge(images, torch.tensor([0, 1, 1, 1]))
        assert torch.equal(first, second) and torch.equal(first, judge(images))
        images[3] = images[2]
        assert ((judge(images) - first)[:2].abs() > 1e-6).all()


def test_spectral_norm_is_one() -> None:
    torch.manual_seed(0)
    judge = build_discriminator(replace(TINY, side=28)).train()
    images = torch.rand(2, 1, 28, 28)
    for _ in range(50):
        judge(images, torch.tensor([0, 1]))
    for layer in (*judge.convs, judge.last, judge.vector):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_losses_by_hand() -> None:
    real, fake = torch.tensor([[2.0], [0.5]]), torch.tensor([[-1.5], [1.0]])

    def log_sigmoid(value: float) -> float:
        return -math.log1p(math.exp(-value))

    judged = -(log_sigmoid(2) + log_sigmoid(0.5)) / 2 - (log_sigmoid(1.5) + log_sigmoid(-1)) / 2
    wanted = {
        "minmax": (judged, (log_sigmoid(1.5) + log_sigmoid(-1)) / 2),
        "nonsaturating": (judged, -(log_sigmoid(-1.5) + log_sigmoid(1)) / 2),
        "hinge": ((0 + 0.5) / 2 + (0 + 2) / 2, 0.25),
        "lsgan": ((1 + 0.25) / 2 + (2.25 + 1) / 2, (6.25 + 0) / 2),
    }
    for kind, (discriminator, generator) in wanted.items():
        train = Train(loss=kind, r1=2.0, r1_every=4)
        terms = discriminator_losses(real, fake, train=train, penalty=torch.tensor(0.3))
        assert terms["discriminator"].item() == pytest.approx(discriminator), kind
        assert terms["r1"].item() == pytest.approx(0.5 * 2 * 4 * 0.3)
        assert set(discriminator_losses(real, fake, train=train)) == {"discriminator"}
        assert generator_losses(fake, train=train)["generator"].item() == pytest.approx(generator), kind


def test_what_the_discriminator_is_shown() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 1, 12, 12)
    assert varied(images, train=Train(augment=0.0)) is images
    still = varied(images, train=Train(augment=1.0, shift=0.0, turn=0.0, scale=0.0))
    assert torch.allclose(still, images, atol=1e-5)
    some = varied(images, train=Train(augment=0.5))
    same = (some - images).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert 16 <= same.sum() <= 48  # 32 expected, standard deviation 4
    needing = images.clone().requires_grad_()
    varied(needing, train=Train()).sum().backward()
    assert needing.grad is not None and (needing.grad != 0).any()
    dot = torch.zeros(200, 1, 20, 20)
    dot[:, :, 9:11, 9:11] = 1
    moved = varied(dot, train=Train(augment=1.0, shift=0.2, turn=0.0, scale=0.0))
    columns = (moved * torch.arange(20.0)).sum(dim=(1, 2, 3)) / moved.sum(dim=(1, 2, 3)) - 9.5
    assert 3 < columns.max() <= 4.01 and -4.01 <= columns.min() < -3  # a fifth of 20 pixels
    flipped = mirrored(images, chance=0.5)
    there = [
        (one == other).all() or (one == other.flip(2)).all()
        for one, other in zip(images, flipped, strict=True)
    ]
    assert all(there) and not torch.equal(flipped, images)
    assert torch.equal(mirrored(images, chance=1.0), images.flip(3))


def test_same_seed_same_pictures() -> None:
    network = tiny()
    first = generate(network, "train", names=NAMES, options=Run(count=3, seed=5))
    again = generate(network, "train", names=NAMES, options=Run(count=6, seed=5))
    assert len(first) == 3 and all(isinstance(one, Picture) and one.size == (16, 16) for one in first)
    assert first[0].channels is not None and first[0].channels.shape == (1, 16, 16)
    assert all(torch.equal(one.pixels, other.pixels) for one, other in zip(first, again, strict=False))
    assert not torch.equal(first[0].pixels, first[1].pixels)
    other = generate(network, "train", names=NAMES, options=Run(count=3, seed=6))
    assert not torch.equal(first[0].pixels, other[0].pixels)


def test_interpolations_end_at_samples() -> None:
    network = tiny()
    for norm in network.norms:
        nn.init.normal_(norm.shift)
    cats = generate(network, "cat", names=NAMES, options=Run(count=2, seed=3))
    trains = generate(network, "train", names=NAMES, options=Run(count=1, seed=3))
    latent = generate(network, "cat", names=NAMES, options=Run(count=5, seed=3, interpolate="latent"))
    assert torch.equal(latent[0].pixels, cats[0].pixels) and torch.equal(latent[-1].pixels, cats[1].pixels)
    classes = Run(count=5, seed=3, interpolate="class", toward="train")
    strip = generate(network, "cat", names=NAMES, options=classes)
    assert torch.equal(strip[0].pixels, cats[0].pixels) and torch.equal(strip[-1].pixels, trains[0].pixels)
    assert len({one.pixels.numpy().tobytes() for one in strip}) == 5


def test_the_way_between_is_an_arc() -> None:
    first, last = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    way = between(first, last, 3)
    assert torch.allclose(way[1], torch.tensor([3.0, 3.0]) / math.sqrt(2))
    assert torch.equal(between(first, first, 3), first.expand(3, -1))


def test_truncated_noise() -> None:
    whole = noise_of(replace(TINY, noise=500), 20, seed=0)
    cut = noise_of(replace(TINY, noise=500), 20, seed=0, truncation=0.5)
    assert cut.abs().max() <= 0.5 and 0.27 < cut.std() < 0.3  # of N(0, 1) within ± 0.5: 0.2837
    assert torch.equal(whole.flatten().argsort(), cut.flatten().argsort())
    assert torch.equal(noise_of(TINY, 3, seed=1), noise_of(TINY, 9, seed=1)[:3])


def test_settled_statistics_are_those_of_what_is_drawn() -> None:
    """A network that is settled draws in eval mode as it does in training, of a large batch."""
    network = tiny()
    with torch.no_grad():
        network.first.bias.fill_(3.0)  # far from what the fresh statistics say
    settle(network, TINY)
    noise, classes = noise_of(TINY, 512, seed=9), torch.arange(512) % 2
    with torch.no_grad():
        still = network(noise, classes).pictures
        alive = network.train()(noise, classes).pictures
    assert (still - alive).abs().mean() < 0.02


def test_a_class_has_one_picture_without_noise() -> None:
    network = tiny(replace(TINY, noise=0))
    for norm in network.norms:
        nn.init.normal_(norm.shift)
    cats = generate(network, "cat", names=NAMES, options=Run(count=2))
    (train,) = generate(network, "train", names=NAMES, options=Run(count=1))
    assert torch.equal(cats[0].pixels, cats[1].pixels) and not torch.equal(cats[0].pixels, train.pixels)


def test_published_sizes() -> None:
    """Mirza 2014, section 4.1: 200 + 1000 -> 1200 -> 784; maxouts of 240, 50 and 240 units."""
    generator, judge = build(PAPER), build_discriminator(PAPER)
    shapes = [tuple(layer.weight.shape) for layer in generator.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(200, 100), (1000, 10), (1200, 1200), (784, 1200)]
    assert judge.of_picture.linear.weight.shape == (1200, 784) and judge.of_picture.pieces == 5
    assert judge.of_class.linear.weight.shape == (250, 10) and judge.both.linear.weight.shape == (960, 290)
    assert [stages_of(side) for side in (28, 32, 64, 16, 7, 30)] == [
        (7, 2), (4, 3), (4, 4), (4, 2), (0, 0), (0, 0),
    ]  # fmt: skip
    with torch.device("meta"):
        for name, (config, _, _) in PRESETS.items():
            assert 2 * sum(one.numel() for one in build(config).parameters()) < 8e6, name
        sizes = replace(DCGAN, side=32), replace(DCGAN, side=64, channels=3), Config(side=32, channels=3)
        for config in sizes:
            noise, classes = (one.to("meta") for one in example(config, 2))
            size = (2, config.channels, config.side, config.side)
            assert build(config).eval()(noise, classes.float()[:, None].expand(2, 3)).pictures.shape == size


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"architecture": "resnet"}, "architecture is 'resnet'; it must be one of light"),
        ({"condition": "label"}, "one of none, concat"),
        ({"side": 30}, "side is 30; it must be 4, 5, 6 or 7 times a power of two"),
        ({"noise": 0, "condition": "none"}, "1 or more where there is no class"),
        ({"dropout": 0.5}, "dropout is 0.5; it must be 0 for all but dense"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_networks_that_cannot_be(changed: dict[str, Any], wanted: str) -> None:
    for make in (build, build_discriminator):
        with pytest.raises(OcellusError, match=wanted):
            make(replace(TINY, **changed))


@pytest.mark.parametrize(
    ("label", "options", "wanted"),
    [
        ("cta", {}, "no class 'cta'; there is cat"),
        ("all", {}, "no class 'all'"),
        ("cat", {"count": 0}, "--count 0"),
        ("cat", {"truncation": -1.0}, "make no sense"),
        ("cat", {"interpolate": "colour"}, "takes latent or class"),
        ("cat", {"interpolate": "latent", "count": 1}, "at least 2 pictures"),
        ("cat", {"toward": "train"}, "--toward is for"),
        ("cat", {"interpolate": "class", "toward": "trian"}, "no class 'trian'; there is train"),
    ],
)
def test_what_cannot_be_drawn(label: str, options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(OcellusError, match=wanted):
        generate(tiny(), label, names=NAMES, options=Run(**options))


def test_ways_that_a_network_does_not_have() -> None:
    with pytest.raises(OcellusError, match="no noise to go through"):
        generate(tiny(replace(TINY, noise=0)), "cat", names=NAMES, options=Run(interpolate="latent"))
    with pytest.raises(OcellusError, match="no two classes"):
        generate(tiny(replace(TINY, condition="none")), "cat", names=NAMES, options=Run(interpolate="class"))
