"""Tiles of real networks: how far each sees, where the tiles lie, and that enough overlap leaves no seam."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from reach import reach
from torch import Tensor, nn

from ocellus import catalog, weights
from ocellus.nn import dense
from ocellus.nn.dense import dense_logits
from ocellus.see import fcn, pspnet, unet
from ocellus.values import Picture

PADDED = replace(unet.PRESETS["small"][0], width=2)
FCNS = {
    "VGG-16": (replace(fcn.PAPER, width=2, head_channels=2), 245),
    "ResNet-50": (replace(fcn.PRESETS["small"][0], backbone="resnet", depth=50, width=2), 272),
    "small": (replace(fcn.PRESETS["small"][0], width=2), 288),
}


@pytest.mark.parametrize(("depth", "wanted"), [(1, 9), (2, 23), (3, 51), (4, 107)])
def test_reach_of_a_padded_unet(depth: int, wanted: int) -> None:
    """As its README and its settings say: 7 · 2^depth - 5."""
    assert wanted == 7 * 2**depth - 5
    assert reach(unet.build(replace(PADDED, depth=depth)), width=288, stride=1 << depth) == wanted


@pytest.mark.parametrize("kind", FCNS)
def test_reach_of_fcn(kind: str) -> None:
    config, wanted = FCNS[kind]
    assert reach(fcn.build(config), width=704, stride=32) == wanted


def test_default_overlap_of_unet_is_three_times_its_reach() -> None:
    for config, _, _ in unet.PRESETS.values():
        if config.norm == "batch":  # group norms look at whole tiles
            assert not config.valid and config.overlap >= 3 * (7 * 2**config.depth - 5)


def stripes(height: int, width: int, channels: int) -> Tensor:
    """(1, channels, height, width) that differs from place to place."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, channels, -(-height // 8), -(-width // 8), generator=generator)
    return nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def seam(network: nn.Module, images: Tensor, *, stride: int, overlap: int) -> float:
    """How far the answer in tiles is from that of the whole, in logits."""
    with torch.no_grad():
        whole = dense_logits(network, images, stride=stride)
        tiled = dense_logits(network, images, stride=stride, tile=1024, overlap=overlap)
    return float((tiled - whole).abs().max())


def test_shipped_unet_has_no_seam_with_three_times_its_reach() -> None:
    """And a seam with a small overlap, so that this would be noticed."""
    network, _ = weights.load(catalog.PACKAGE / "zoo" / "unet-lungs.safetensors")
    config: Any = network.config
    assert config.norm == "batch" and not config.valid
    stride = 1 << config.depth
    enough = -(-3 * (7 * stride - 5) // stride) * stride
    for overlap, most in ((enough, 1e-3), (2 * stride, float("inf"))):
        error = seam(network, stripes(64, 2048 - overlap, config.channels), stride=stride, overlap=overlap)
        assert error <= most
    assert error > 0.05


@pytest.mark.parametrize("kind", ["resnet", "vgg", "pspnet"])
def test_tiles_of_a_large_picture_lie_on_the_networks_grid(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These networks take any size; cells of tiles that begin elsewhere would see something else."""
    monkeypatch.setattr(dense, "LARGE", 50_000)
    torch.manual_seed(0)
    small = fcn.PRESETS["small"][0]
    if kind == "pspnet":
        config = replace(pspnet.PAPER, classes=3, depth=18, width=4, head_channels=4, overlap=704)
        network, predict = pspnet.build(config).eval(), pspnet.predict
        network.pyramid.forward = lambda features: [  # its averages, of all that it is given, apart
            torch.zeros(1, network.pyramid.channels, count, count) for count in config.bins
        ]
    else:
        resnet = replace(small, backbone="resnet", depth=18, classes=3, width=4, overlap=704)
        vgg = replace(fcn.PAPER, depth=11, classes=3, width=4, head_channels=8, overlap=704)
        network, predict = fcn.build({"resnet": resnet, "vgg": vgg}[kind]).eval(), fcn.predict
    scores = [layer for name, layer in network.named_modules() if name.startswith("score")]
    for layer in scores:
        nn.init.normal_(layer.weight)
    picture = Picture(pixels=(stripes(64, 1728, 3)[0] * 255).to(torch.uint8))
    with torch.no_grad():
        logits = network(picture.floats()[None]).logits
        for layer in scores:  # all classes are to be likely somewhere
            layer.weight /= logits.std(dim=(0, 2, 3)).mean()
            layer.bias /= logits.std(dim=(0, 2, 3)).mean()
        network.score.bias -= network(picture.floats()[None]).logits.mean(dim=(0, 2, 3))
        whole = network(picture.floats()[None]).logits[0].softmax(dim=0)
    found = predict(network, picture, probabilities=True).probabilities
    assert (found.float() - whole).abs().max() < 2e-3  # float16
    assert whole.std(dim=(1, 2)).min() > 0.01
