"""The network: published sizes and counts, exact frames, any size, settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ocellus.errors import OcellusError
from ocellus.nn.dense import dense_logits
from ocellus.nn.framelets import synthesized
from ocellus.nn.fuse import fuse
from ocellus.nn.norm import NormedConv
from ocellus.see.unet.config import PAPER, TINY, Config
from ocellus.see.unet.model import UNet, build

FRAMES = ("dual_frame", "tight_frame")


def seeded(config: Config) -> UNet:
    torch.manual_seed(0)
    return build(config).eval()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_published_size() -> None:
    """Figure 1 of the paper: 572 x 572 in, 388 x 388 out."""
    network = seeded(replace(PAPER, width=2, channels=1))
    with torch.no_grad():
        assert network(torch.rand(1, 1, 572, 572)).logits.shape == (1, 2, 388, 388)


def test_published_resolutions() -> None:
    """Figure 1 again: 568, 280, 136, 64 and 28 on the way down, 52, 100, 196 and 388 up."""
    network = seeded(replace(PAPER, width=1, channels=1))
    seen: list[int] = []
    for pair in (*network.encoders, network.bottom, *reversed(network.decoders)):
        pair.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    with torch.no_grad():
        network(torch.rand(1, 1, 572, 572))
    assert seen == [568, 280, 136, 64, 28, 52, 100, 196, 388]


def test_published_parameters() -> None:
    """By hand: two convolutions a level and side of 64..1024 channels, four up-convolutions, one 1x1."""

    def conv(inputs: int, outputs: int, side: int = 3) -> int:
        return inputs * outputs * side * side + outputs

    total = conv(1, 64) + conv(64, 64)
    for width in (128, 256, 512, 1024):
        total += conv(width // 2, width) + conv(width, width)  # down
        total += conv(width, width // 2, 2) + conv(width, width // 2) + conv(width // 2, width // 2)  # up
    total += conv(64, 3, 1)
    assert total == 31_030_723
    assert count(build(replace(PAPER, channels=1, classes=3))) == total


def bare(network: UNet, features: Tensor, level: int = 0) -> Tensor:
    """The network's own way down and up, without convolutions: what a decoder gets is summed up."""
    if level == network.config.depth:
        return features
    low, high = network.shrink(features)
    parts = network.join(features, high, bare(network, low, level + 1))
    return torch.stack([synthesized(part) for part in parts]).sum(dim=0)


@pytest.mark.parametrize("depth", [1, 4])
def test_frames_reconstruct_any_input_and_the_standard_network_does_not(depth: int) -> None:
    features = torch.randn(2, 3, 64, 48, dtype=torch.float64)
    for variant in FRAMES:
        network = seeded(replace(TINY, depth=depth, variant=variant))
        torch.testing.assert_close(bare(network, features), features)
    network = seeded(replace(TINY, depth=depth, framelet_pooling=True))
    error = bare(network, features) - features
    assert error.abs().max() > 0.5
    # nor up to a factor: what is the same all over a block is counted once more at each level
    best = (bare(network, features) * features).sum() / features.square().sum()
    assert (bare(network, features) / best - features).norm() > 0.2 * features.norm()


def handing_on(config: Config) -> UNet:
    """A network of 2 channels whose 3x3 convolutions hand them on, in place of learned ones."""
    config = replace(config, depth=2, width=4, channels=2, classes=2, norm="none", mean=(0.0,), std=(1.0,))
    network = seeded(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        for pair in (*network.encoders, network.bottom):
            for conv in (pair.first, pair.second):
                for channel in range(2):
                    conv.weight[channel, channel, 1, 1] = 1
        for level, pair in enumerate(network.decoders):
            width = config.width << level
            for channel in range(2):
                pair.first.weight[channel, channel::width, 1, 1] = 1  # of every part
                pair.second.weight[channel, channel, 1, 1] = 1
        for channel in range(2):
            network.head.weight[channel, channel] = 1
    return network


def test_frames_reconstruct_through_the_real_forward_and_the_standard_network_does_not() -> None:
    images = torch.rand(1, 2, 37, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for variant in FRAMES:
            network = handing_on(replace(TINY, variant=variant))
            torch.testing.assert_close(network(images).logits, images)
        found = handing_on(replace(TINY, framelet_pooling=True))(images).logits
    best = (found * images).sum() / found.square().sum()  # not up to a factor either
    for answer in (found, best * found):
        assert (answer - images).norm() > 0.15 * images.norm()


@pytest.mark.parametrize("variant", ["standard", *FRAMES])
@pytest.mark.parametrize("size", [(64, 64), (1, 1), (37, 5), (50, 99)])
def test_any_size_in_the_same_size_out(variant: str, size: tuple[int, int]) -> None:
    network = seeded(replace(TINY, variant=variant, depth=3))
    with torch.no_grad():
        logits = network(torch.rand(2, 3, *size)).logits
    assert logits.shape == (2, 2, *size) and logits.isfinite().all()


@pytest.mark.parametrize("variant", ["standard", *FRAMES])
@pytest.mark.parametrize("norm", ["none", "batch", "group"])
@pytest.mark.parametrize("valid", [False, True])
def test_every_parameter_is_used(variant: str, norm: str, valid: bool) -> None:
    network = build(replace(TINY, variant=variant, norm=norm, valid=valid, channels=5)).train()
    logits = network(torch.rand(2, 5, 60, 60)).logits
    assert logits.shape[-1] == (60 - 40 if valid else 60)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("variant", ["standard", *FRAMES])
@pytest.mark.parametrize(("depth", "overlap"), [(2, 16), (3, 0)])
def test_valid_tiles_are_the_whole_picture(variant: str, depth: int, overlap: int) -> None:
    """Without padding a tile with its margin knows all that the whole does: no overlap is needed."""
    network = seeded(replace(TINY, variant=variant, depth=depth, valid=True, norm="none", dropout=0.0))
    images = torch.rand(1, 3, 101, 77)
    margin, stride = network.margin, network.stride
    with torch.no_grad():
        whole = dense_logits(network, images, stride=stride, margin=margin)
        tiles = dense_logits(network, images, stride=stride, tile=32, overlap=overlap, margin=margin)
    assert whole.shape == (1, 2, 101, 77)
    torch.testing.assert_close(tiles, whole, rtol=0, atol=1e-4)
    assert whole.std() > 0.01


def test_fused_network_answers_the_same() -> None:
    for valid in (False, True):
        network = build(replace(TINY, norm="batch", valid=valid, variant="tight_frame"))
        images = torch.rand(2, 3, 64, 64)
        with torch.no_grad():
            network.train()(images)  # statistics of their own
            network.eval()
            fused = fuse(network)
            assert not any(isinstance(module, NormedConv) for module in fused.modules())
            torch.testing.assert_close(fused(images).logits, network(images).logits, rtol=1e-4, atol=1e-4)


def test_bf16_is_close() -> None:
    network = seeded(replace(TINY, variant="tight_frame", width=8))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        exact = network(images).logits
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(images).logits
    assert (rough.float() - exact).norm() < 0.03 * exact.norm()


def test_residual_network_begins_as_the_identity() -> None:
    network = seeded(replace(TINY, residual=True, channels=2, classes=2))
    images = torch.rand(1, 2, 30, 33)
    with torch.no_grad():
        torch.testing.assert_close(network(images).logits, images)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"variant": "triple_frame"}, "variant"),
        ({"norm": "frozen"}, "norm"),
        ({"depth": 0}, "depth"),
        ({"width": 0}, "width"),
        ({"channels": 0}, "channels"),
        ({"tile": -1}, "tile"),
        ({"mean": (0.1, 0.2)}, "mean"),
        ({"std": (0.0,)}, "std"),
        ({"dropout": 1.0}, "dropout"),
        ({"channels": 4, "channel_order": "BGR"}, "channel_order"),
        ({"residual": True, "channels": 1}, "classes"),
        ({"variant": "dual_frame", "framelet_pooling": True}, "framelet_pooling"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(OcellusError, match=f"^{word} is ") as caught:
        build(replace(TINY, **changes))
    assert caught.value.exit_code == 2


def test_variants_compared_have_the_same_weights() -> None:
    standard = build(replace(TINY, framelet_pooling=True))
    dual = build(replace(TINY, variant="dual_frame"))
    assert standard.state_dict().keys() == dual.state_dict().keys()
    assert count(standard) == count(dual)
