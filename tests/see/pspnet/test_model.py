"""The network: the pyramid that is not enlarged, sizes, settings, conventions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.fuse import fuse
from ocellus.see.pspnet.config import SMALL, TINY, Config
from ocellus.see.pspnet.inference import predict
from ocellus.see.pspnet.model import Fusion, PyramidPooling, Raw, build, covered, shares
from ocellus.values import Picture

RESIDUAL = Config(classes=3, depth=18, width=8, norm="group", head_channels=12)


def picture(height: int, width: int, channels: int = 3) -> Picture:
    generator = torch.Generator().manual_seed(0)
    if channels != 3:
        values = torch.rand(channels, height, width, generator=generator)
        return Picture(pixels=torch.zeros(3, height, width, dtype=torch.uint8), channels=values)
    return Picture(pixels=torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8))


def side_by_side(fusion: Fusion, features: Tensor, pyramid: list[Tensor]) -> Tensor:
    """The published computation: enlarge, concatenate, convolve."""
    enlarged = [
        F.interpolate(level, size=features.shape[2:], mode="bilinear", align_corners=fusion.align_corners)
        for level in pyramid
    ]
    weight = torch.cat([fusion.direct.weight, *(level.weight for level in fusion.levels)], dim=1)
    return F.relu(fusion.norm(F.conv2d(torch.cat([features, *enlarged], dim=1), weight, padding=1)))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(7, 9), (13, 4), (60, 60), (1, 1), (2, 30)])
def test_fusion_is_the_convolution_of_what_is_put_side_by_side(
    size: tuple[int, int], align_corners: bool
) -> None:
    """Output and every gradient, borders included."""
    torch.manual_seed(0)
    fusion = Fusion(8, 4, part=2, outputs=5, norm="group", eps=1e-5, align_corners=align_corners).double()
    features = torch.randn(2, 8, *size, dtype=torch.float64, requires_grad=True)
    pyramid = [
        torch.randn(2, 2, count, count, dtype=torch.float64, requires_grad=True) for count in (1, 2, 3, 6)
    ]
    leaves = [features, *pyramid, *fusion.parameters()]
    found, wanted = fusion(features, pyramid), side_by_side(fusion, features, pyramid)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    toward = torch.randn_like(wanted)
    for ours, theirs in zip(
        torch.autograd.grad(found, leaves, toward), torch.autograd.grad(wanted, leaves, toward), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_shares_by_hand() -> None:
    """Two regions enlarged to three places: 1, 1/2, 0 of the first; seen through three taps, 0 outside."""
    found = shares(2, 3, torch.zeros(1), align_corners=True)
    # Columns: the row above of both regions, the row itself, the row below.
    assert found.tolist() == [[0, 0, 1, 0, 0.5, 0.5], [1, 0, 0.5, 0.5, 0, 1], [0.5, 0.5, 0, 1, 0, 0]]


def test_pyramid_levels_are_means_of_regions() -> None:
    pooling = PyramidPooling(4, (1, 2), norm="group", eps=0.0)
    for reduce in pooling.reduce:
        reduce.norm = nn.Identity()
        nn.init.zeros_(reduce.conv.weight)
        reduce.conv.weight.data[0, 0] = 1
    features = torch.zeros(1, 4, 3, 4)
    features[0, 0] = torch.arange(12).reshape(3, 4)
    whole, quarters = pooling(features)
    assert whole[0, 0].tolist() == [[5.5]]
    # Of three rows the middle one is in both halves.
    assert quarters[0, 0].tolist() == [[2.5, 4.5], [6.5, 8.5]]
    assert whole.shape == (1, 2, 1, 1) and quarters.shape == (1, 2, 2, 2)


@pytest.mark.parametrize(
    "config", [TINY, RESIDUAL, replace(RESIDUAL, depth=50, width=4)], ids=["small", "18", "50"]
)
@pytest.mark.parametrize("size", [(64, 64), (65, 81), (33, 100), (8, 9), (1, 3)])
def test_any_size(config: Config, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = build(config).eval()
    with torch.no_grad():
        raw = network(torch.rand(2, 3, *size))
    assert isinstance(raw, Raw) and raw.logits.shape == (2, config.classes, *size)
    assert raw.logits.dtype == torch.float32 and raw.auxiliary is None and raw.logits.isfinite().all()


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("config", [TINY, RESIDUAL], ids=["small", "resnet"])
def test_strides(config: Config, stride: int) -> None:
    network = build(replace(config, stride=stride)).eval()
    before, last = network.features(torch.rand(1, 3, 64, 96))
    more = int(config.align_corners)
    assert last.shape[2:] == (64 // stride + more, 96 // stride + more)
    assert before.shape[2:] == (64 // min(stride, 16) + more, 96 // min(stride, 16) + more)


def test_covered() -> None:
    published, small = Config(), SMALL
    assert [covered(side, published) for side in (473, 474, 1, 2, 480)] == [473, 481, 1, 9, 481]
    assert [covered(side, small) for side in (473, 480, 1)] == [480, 480, 8]


def test_auxiliary_scores_are_for_training() -> None:
    network = build(RESIDUAL)
    images = torch.rand(2, 3, 40, 50)
    raw = network.train()(images)
    assert raw.auxiliary is not None and raw.auxiliary.shape == raw.logits.shape == (2, 3, 40, 50)
    assert network.eval()(images).auxiliary is None
    assert build(replace(RESIDUAL, auxiliary=False)).train()(images).auxiliary is None


def test_fused_answers_the_same() -> None:
    torch.manual_seed(0)
    for config in (replace(TINY, norm="batch"), replace(RESIDUAL, norm="batch")):
        network = build(config)
        for name, tensor in network.state_dict().items():
            if name.endswith("running_mean"):
                tensor.copy_(0.3 * torch.randn(tensor.shape))
            elif name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape))
        images = torch.rand(2, 3, 70, 90)
        with torch.no_grad():
            wanted, found = network.eval()(images).logits, fuse(network)(images).logits
        assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def test_fusion_in_half_precision() -> None:
    """No less exact than the published computation is."""
    torch.manual_seed(0)
    fusion = Fusion(64, 4, part=16, outputs=32, norm="batch", eps=1e-5, align_corners=True).eval()
    features = torch.rand(1, 64, 17, 21)
    pyramid = [torch.rand(1, 16, count, count) for count in (1, 2, 3, 6)]
    with torch.no_grad():
        wanted = side_by_side(fusion, features, pyramid)
        with torch.autocast("cpu", torch.bfloat16):
            found = fusion(features.bfloat16(), [level.bfloat16() for level in pyramid])
            published = side_by_side(fusion, features.bfloat16(), [level.bfloat16() for level in pyramid])
    error, usual = (found - wanted).norm() / wanted.norm(), (published - wanted).norm() / wanted.norm()
    assert error <= 1.5 * usual and usual < 0.01, (error, usual)


def test_predict_is_the_networks_answer() -> None:
    torch.manual_seed(0)
    for config in (TINY, RESIDUAL, replace(RESIDUAL, channels=5, mean=(0.5,), std=(0.5,))):
        network = build(config).train()
        one = picture(45, 70, config.channels)
        found = predict(network, one, names=("a", "b"), probabilities=True)
        assert network.training and found.names == ("a", "b") and found.size == (45, 70)
        images = one.floats()[None] if one.channels is None else one.channels[None]
        with torch.no_grad():
            logits = network.eval()(images).logits[0]
        assert torch.equal(found.labels, logits.argmax(dim=0).to(torch.uint8))
        assert torch.allclose(found.probabilities.float(), logits.softmax(dim=0), atol=1e-3)


def test_predict_in_tiles_and_at_another_size() -> None:
    torch.manual_seed(0)
    for config in (TINY, RESIDUAL):
        network = build(replace(config, tile=48, overlap=16))
        assert predict(network, picture(75, 130)).size == (75, 130)
        assert predict(build(replace(config, short_side=40)), picture(75, 130)).size == (75, 130)


def test_refused_pictures() -> None:
    with pytest.raises(OcellusError, match="5 channels"):
        predict(build(TINY), picture(20, 20, 5))


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 1}, {"channels": 0}, {"backbone": "vgg"}, {"depth": 20}, {"norm": "layer"},
        {"stride": 4}, {"bins": ()}, {"bins": (0, 1)}, {"head_channels": 0}, {"dropout": 1.0}, {"tile": -1},
        {"mean": (0.5, 0.5)}, {"std": (0.0,)}, {"channel_order": "RBG"}, {"short_side": -1},
        {"channel_order": "BGR", "channels": 1, "mean": (0.5,), "std": (0.5,)},
        {"align_corners": True}, {"deep_stem": True}, {"dilate_first": True}, {"classes": 256},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_settings(change: dict[str, Any]) -> None:
    with pytest.raises(OcellusError) as caught:
        build(replace(TINY, **change))
    assert caught.value.exit_code == 2
    assert any(field in str(caught.value) for field in change)


def test_the_small_one_fits_into_8_megabytes() -> None:
    state = build(replace(SMALL, classes=11)).state_dict()
    assert sum(tensor.numel() for tensor in state.values()) * 2 < 7.96e6
