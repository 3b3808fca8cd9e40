"""ResNet, pyramid, norms and their folding, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from ocellus.nn.fpn import FeaturePyramid
from ocellus.nn.fuse import fuse
from ocellus.nn.norm import FrozenNorm, NormedConv, make_norm
from ocellus.nn.renaming import renamed
from ocellus.nn.resnet import ResNet
from ocellus.see.mask_rcnn.convert import TORCHVISION


def shaken(network: nn.Module) -> nn.Module:
    """Statistics as after training, so that a wrong fold shows."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


def ours_of(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A torchvision detector's entries under our names, but for the counters."""
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return renamed(kept, TORCHVISION, network="a detector")


@pytest.mark.parametrize(("depth", "norm"), [(18, "batch"), (34, "frozen"), (50, "frozen"), (101, "frozen")])
def test_as_torchvision(depth: int, norm: str) -> None:
    torch.manual_seed(0)
    theirs = resnet_fpn_backbone(
        backbone_name=f"resnet{depth}", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
    )
    shaken(theirs).eval()
    body = ResNet(depth, norm=norm)
    pyramid = FeaturePyramid(body.channels, 256)
    state = ours_of({f"backbone.{key}": value for key, value in theirs.state_dict().items()})
    for part, name in ((body, "backbone."), (pyramid, "pyramid.")):
        own = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        kept = part.load_state_dict(own, strict=False)
        assert not kept.unexpected_keys
        assert all(key.endswith("num_batches_tracked") for key in kept.missing_keys)
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = list(theirs(images).values())
        found = pyramid(body.eval()(images))
    assert len(found) == len(wanted) == 5
    for ours, reference in zip(found, wanted, strict=True):
        assert (ours - reference).abs().max() <= 1e-4 * reference.abs().max()


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
def test_any_width_and_size(norm: str) -> None:
    network = ResNet(18, width=8, norm=norm).eval()
    levels = network(torch.randn(2, 3, 70, 90))
    assert [tuple(level.shape[1:]) for level in levels] == [(8, 18, 23), (16, 9, 12), (32, 5, 6), (64, 3, 3)]
    assert network.channels == (8, 16, 32, 64)


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
def test_fused_answers_the_same(norm: str) -> None:
    torch.manual_seed(0)
    network = shaken(ResNet(50, width=8, norm=norm)).train()
    fused = fuse(network)
    images = torch.randn(2, 3, 64, 64)
    wanted = network.eval()(images)
    for found, level in zip(fused(images), wanted, strict=True):
        assert torch.allclose(found, level, atol=1e-4 * level.detach().abs().max().item())
    left = [module for module in fused.modules() if isinstance(module, (FrozenNorm, nn.BatchNorm2d))]
    assert not left
    assert any(isinstance(module, NormedConv) for module in network.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())


def test_frozen_norm_is_batch_norm_in_eval_mode_and_has_no_parameters() -> None:
    torch.manual_seed(0)
    layer = shaken(NormedConv(3, 4, kernel=3, norm="frozen"))
    batch = nn.BatchNorm2d(4).eval()
    batch.load_state_dict(layer.norm.state_dict(), strict=False)
    features = torch.randn(2, 3, 8, 8)
    wanted = batch(layer.conv(features))
    assert torch.allclose(layer(features), wanted, atol=1e-5)
    assert torch.allclose(layer.norm(layer.conv(features)), wanted, atol=1e-5)
    assert [name for name, _ in layer.named_parameters()] == ["conv.weight"]
    layer(features).sum().backward()
    assert layer.conv.weight.grad is not None


def test_groups() -> None:
    assert [make_norm("group", channels).num_groups for channels in (64, 256, 16, 8, 1, 5)] == [
        32,
        32,
        8,
        4,
        1,
        1,
    ]


def test_stride_in_1x1() -> None:
    first = ResNet(50, width=8, stride_in_1x1=True).stages[1][0]
    assert (first.conv1.conv.stride, first.conv2.conv.stride) == ((2, 2), (1, 1))
    first = ResNet(50, width=8).stages[1][0]
    assert (first.conv1.conv.stride, first.conv2.conv.stride) == ((1, 1), (2, 2))


@pytest.mark.parametrize("dilate", [(True, True), (False, True)])
def test_dilated_as_torchvision(dilate: tuple[bool, bool]) -> None:
    """Its `replace_stride_with_dilation`: the same weights give the same features."""
    torch.manual_seed(0)
    theirs = shaken(resnet50(weights=None, replace_stride_with_dilation=[False, *dilate])).eval()
    body = ResNet(50, dilate=dilate).eval()
    body.load_state_dict(own_names(theirs.state_dict()))
    images = torch.randn(1, 3, 70, 90)
    wanted = images
    with torch.no_grad():
        found = body(images)
        for part in ("conv1", "bn1", "relu", "maxpool"):
            wanted = getattr(theirs, part)(wanted)
        for level in range(4):
            wanted = getattr(theirs, f"layer{level + 1}")(wanted)
            assert found[level].shape == wanted.shape
            assert (found[level] - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    assert body.strides == ((4, 8, 8, 8) if dilate[0] else (4, 8, 16, 16))


def own_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A torchvision classifier's entries as those of a ResNet of ours."""
    body = {f"backbone.body.{name}": value for name, value in state.items() if not name.startswith("fc.")}
    ours = ours_of(body)
    counts = [name for name in ours if name.endswith("running_var")]
    ours |= {name.replace("running_var", "num_batches_tracked"): torch.tensor(0) for name in counts}
    return {name.removeprefix("backbone."): value for name, value in ours.items()}


@pytest.mark.parametrize("depth", [18, 50])
def test_dilated_keeps_what_the_strided_one_says(depth: int) -> None:
    """At every fourth cell the dilated network's coarsest features are the strided one's."""
    torch.manual_seed(0)
    strided = shaken(ResNet(depth, width=8, norm="frozen"))
    dilated = ResNet(depth, width=8, norm="frozen", dilate=(True, True))
    dilated.load_state_dict(strided.state_dict())
    images = torch.randn(1, 3, 129, 161)
    with torch.no_grad():
        wanted, found = strided(images)[3], dilated(images)[3]
    assert found.shape[2:] == (17, 21)
    assert torch.allclose(found[:, :, ::4, ::4], wanted, atol=1e-5 * wanted.abs().max().item())
    placed = ResNet(depth, width=8, norm="frozen", dilate=(True, True), dilate_first=True)
    placed.load_state_dict(strided.state_dict())
    with torch.no_grad():
        other = placed(images)[3]
    assert other.shape == found.shape and not torch.allclose(other, found, atol=0.01)


def test_every_dilated_convolution_is_dilated() -> None:
    stages = ResNet(50, width=8, dilate=(True, True), dilate_first=True).stages
    assert [[block.conv2.conv.dilation[0] for block in stage] for stage in stages[2:]] == [[2] * 6, [4] * 3]
    stages = ResNet(50, width=8, dilate=(True, True)).stages
    assert [[block.conv2.conv.dilation[0] for block in stage] for stage in stages[2:]] == [
        [1] + [2] * 5, [2, 4, 4]
    ]  # fmt: skip
    first, second = ResNet(18, width=8, dilate=(True, True), dilate_first=True).stages[3]
    assert [block.conv1.conv.dilation[0] for block in (first, second)] == [4, 4]
    assert [block.conv2.conv.dilation[0] for block in (first, second)] == [4, 4]


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_deep_stem_and_dilation_fold(norm: str) -> None:
    torch.manual_seed(0)
    network = shaken(ResNet(18, inputs=4, width=8, norm=norm, dilate=(True, True), deep_stem=True)).eval()
    assert network.stages[0][0].conv1.conv.in_channels == 16
    images = torch.randn(1, 4, 65, 73)
    with torch.no_grad():
        wanted, found = network(images), fuse(network)(images)
    for ours, level in zip(found, wanted, strict=True):
        assert torch.allclose(ours, level, atol=1e-4 * level.abs().max().item())
    assert [tuple(level.shape[1:]) for level in wanted] == [
        (8, 17, 19), (16, 9, 10), (32, 9, 10), (64, 9, 10)
    ]  # fmt: skip
