"""The network: any size in and the same out, its strides, its upsamplings, what cannot be built."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.see.fcn.config import PAPER, SMALL, TINY, Config
from ocellus.see.fcn.inference import predict
from ocellus.see.fcn.model import FCN, build
from ocellus.values import Picture

VGG = replace(PAPER, classes=3, depth=11, width=2, head_channels=8)
RESNET = replace(TINY, classes=3, backbone="resnet", depth=18, width=4)
DILATED = replace(RESNET, dilated=True, auxiliary=True, head_channels=8)
KINDS = {"vgg": VGG, "resnet": RESNET, "small": replace(TINY, classes=3)}
SIZES = [(1, 1), (7, 33), (64, 96), (97, 130)]


def network_of(config: Config) -> FCN:
    """With scores that say something, which fresh ones of zero do not."""
    torch.manual_seed(0)
    network = build(config).eval()
    for name, parameter in network.named_parameters():
        if "score" in name and "upsample" not in name:
            nn.init.normal_(parameter, std=0.5)
    return network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [32, 16, 8])
def test_any_size_in_the_same_out(kind: str, stride: int) -> None:
    network = network_of(replace(KINDS[kind], stride=stride))
    for size in SIZES:
        raw = network(torch.rand(2, 3, *size))
        assert tuple(raw.logits.shape) == (2, 3, *size) and raw.logits.dtype == torch.float32
        assert raw.logits.isfinite().all() and raw.auxiliary is None
    assert (raw.score_pool4 is not None, raw.score_pool3 is not None) == (stride <= 16, stride == 8)
    assert raw.logits.std() > 0


def test_dilated_any_size() -> None:
    network = network_of(DILATED)
    for size in SIZES:
        raw = network(torch.rand(1, 3, *size))
        assert raw.auxiliary is not None
        assert tuple(raw.logits.shape) == tuple(raw.auxiliary.shape) == (1, 3, *size)
    assert tuple(raw.score.shape[2:]) == (13, 17) and raw.score_pool4 is None


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_other_channels(kind: str, channels: int) -> None:
    config = replace(KINDS[kind], channels=channels, mean=(0.5,), std=(0.25,), channel_order="RGB")
    raw = network_of(config)(torch.rand(1, channels, 40, 50))
    assert tuple(raw.logits.shape) == (1, 3, 40, 50)


@pytest.mark.parametrize("kind", KINDS)
def test_skips_of_zero_leave_the_coarse_answer(kind: str) -> None:
    """At first FCN-8s gives what FCN-32s gives: twice twofold and eightfold is 32-fold, but for kinks."""
    fine = build(KINDS[kind]).eval()
    for layer in (fine.score_pool4, fine.score_pool3):
        assert layer is not None
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    coarse = build(replace(KINDS[kind], stride=32)).eval()
    nn.init.normal_(fine.score.weight)
    state = fine.state_dict()
    coarse.load_state_dict(
        {key: value if "full" in key else state[key] for key, value in coarse.state_dict().items()}
    )
    images = torch.rand(1, 3, 320, 352)
    with torch.no_grad():
        a, b = fine(images).logits, coarse(images).logits
    inside = (..., slice(64, 256), slice(64, 288))  # a vgg's rim fades differently
    assert (a - b)[inside].abs().mean() < 0.05 * b[inside].std()


def test_small_enlarges_by_interpolation() -> None:
    network = build(replace(TINY, classes=3)).eval()
    score = torch.randn(1, 3, 2, 3)
    zeros = [torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 8, 12)]
    with torch.no_grad():
        found = network.merge(score, *zeros)
    wanted = F.interpolate(score, scale_factor=2, mode="bilinear", align_corners=False)
    wanted = F.interpolate(wanted, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, wanted)


def test_parts_of_the_answer_add_up() -> None:
    """Raw's scores are those the logits are made of."""
    network = network_of(KINDS["small"])
    with torch.no_grad():
        raw = network(torch.rand(1, 3, 64, 96))
        assert [tuple(part.shape[2:]) for part in raw[2:]] == [(2, 3), (4, 6), (8, 12)]
        merged = network.merge(*raw[2:])
        torch.testing.assert_close(network.enlarge(merged, (64, 96)), raw.logits)
        nothing = [torch.zeros_like(part) for part in raw[3:]]
        coarse = network.enlarge(network.merge(raw.score, *nothing), (64, 96))
    assert (coarse - raw.logits).abs().max() > 0.01


def test_at_once_scales_the_skips() -> None:
    once, plain = network_of(replace(VGG, at_once=True)), network_of(replace(VGG, at_once=False))
    plain.load_state_dict(once.state_dict())
    for network in (once, plain):
        for layer in (network.score_pool4, network.score_pool3):
            assert layer is not None
            nn.init.zeros_(layer.bias)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        scaled, whole = once(images), plain(images)
    torch.testing.assert_close(scaled.score_pool4, 0.01 * whole.score_pool4)
    torch.testing.assert_close(scaled.score_pool3, 0.0001 * whole.score_pool3)
    assert torch.equal(scaled.score, whole.score)


def test_channel_order() -> None:
    rgb = network_of(replace(VGG, channel_order="RGB", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0)))
    bgr = replace(rgb.config, channel_order="BGR")
    image = torch.tensor([0.9, 0.6, 0.7]).reshape(1, 3, 1, 1)
    assert rgb.normalize(image).flatten().tolist() == pytest.approx([0.8, 0.2, 0.1])
    assert build(bgr).normalize(image).flatten().tolist() == pytest.approx([0.6, 0.2, 0.15])


def test_paper_and_small_are_as_large_as_they_say() -> None:
    with torch.device("meta"):
        paper, small = build(PAPER), build(replace(SMALL, classes=11))
    # pytorch-fcn's 134,489,759 count the last upsampling, 21 x 21 x 16 x 16, which is fixed here.
    assert sum(value.numel() for value in paper.parameters()) == 134_489_759 - 21 * 21 * 256
    assert sum(value.numel() for value in small.state_dict().values()) < 4_000_000


@pytest.mark.parametrize("kind", [*KINDS, "dilated"])
def test_bf16_and_channels_last(kind: str) -> None:
    network = network_of({**KINDS, "dilated": DILATED}[kind])
    images = torch.rand(2, 3, 70, 90)
    with torch.no_grad():
        exact = network(images).logits
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(images.contiguous(memory_format=torch.channels_last)).logits
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(5, 3), (101, 83)])
def test_prediction_is_at_the_pictures_size(kind: str, tile: int, size: tuple[int, int]) -> None:
    """Each pixel has the class that is likeliest there; untiled, as the network itself says."""
    network = network_of(replace(KINDS[kind], tile=tile, overlap=32))
    blocks = torch.randint(0, 2, (1, 3, 4, 4), generator=torch.Generator().manual_seed(1)).float()
    with torch.no_grad():  # no class is to be above the others everywhere
        network.score.bias -= network(F.interpolate(blocks, size=(101, 83))).logits.mean(dim=(0, 2, 3))
    network.train()
    pixels = (F.interpolate(blocks, size=size)[0] * 255).byte()
    found = predict(network, Picture(pixels=pixels), names=("a", "b", "c"), probabilities=True)
    assert found.size == size and found.probabilities is not None and network.training
    judges = [found.probabilities.float()]
    if not tile and kind != "small":  # the small one sees the picture mirrored up to whole cells
        with torch.no_grad():
            logits: Tensor = network.eval()(pixels[None].float() / 255).logits
        judges.append(logits[0].softmax(dim=0))
    for chances in judges:
        first, second = chances.topk(2, dim=0).values
        clear = first - second > 2e-3  # float16
        assert clear.float().mean() > 0.9
        assert torch.equal(chances.argmax(dim=0)[clear].byte(), found.labels[clear])
    if size == (101, 83):
        assert len(found.labels.unique()) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 4}, "stride is 4; it must be one of 32, 16, 8"),
        ({"backbone": "alexnet"}, "backbone is 'alexnet'; it must be one of vgg, resnet, small"),
        ({"depth": 50}, "depth is 50; it must be one of 0, 11, 13, 16, 19 for the vgg"),
        ({"backbone": "small", "depth": 18}, "depth is 18; it must be one of 0 for the small"),
        ({"classes": 1}, "classes is 1; it must be 2 to 1000"),
        ({"dilated": True}, "dilated is True; it must be off but for the backbone resnet"),
        ({"backbone": "resnet", "dilated": True, "stride": 16}, "stride is 16; it must be 8 where dilated"),
        ({"backbone": "small", "mixed": True}, "mixed is True"),
        ({"channels": 4}, "mean is .*; it must be 4 numbers, one a channel, or 1 for all"),
        ({"std": (0.0,)}, "std is .*above 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"overlap": -1}, "overlap is -1; it must be 0 or more"),
    ],
)
def test_what_cannot_be_built(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OcellusError, match=message) as caught:
        build(replace(replace(VGG, depth=0), **changes))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
