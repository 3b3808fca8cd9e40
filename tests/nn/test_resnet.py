"""ResNet, pyramid, norms and their folding, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from ocellus.nn.fpn import FeaturePyramid
from ocellus.nn.fuse import fuse
from ocellus.nn.norm import FrozenNorm, NormedConv, make_norm
from ocellus.nn.resnet import ResNet
from ocellus.see.mask_rcnn.convert import TORCHVISION, renamed_by


def shaken(network: nn.Module) -> nn.Module:
    """Statistics as after training, so that a wrong fold shows."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


@pytest.mark.parametrize(("depth", "norm"), [(18, "batch"), (34, "frozen"), (50, "frozen"), (101, "frozen")])
def test_as_torchvision(depth: int, norm: str) -> None:
    torch.manual_seed(0)
    theirs = resnet_fpn_backbone(
        backbone_name=f"resnet{depth}", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
    )
    shaken(theirs).eval()
    body = ResNet(depth, norm=norm)
    pyramid = FeaturePyramid(body.channels, 256)
    state = renamed_by({f"backbone.{key}": value for key, value in theirs.state_dict().items()}, TORCHVISION)
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
    assert [make_norm("group", channels).num_groups for channels in (64, 256, 16, 8, 1)] == [32, 32, 8, 4, 1]


def test_stride_in_1x1() -> None:
    first = ResNet(50, width=8, stride_in_1x1=True).stages[1][0]
    assert (first.conv1.conv.stride, first.conv2.conv.stride) == ((2, 2), (1, 1))
    first = ResNet(50, width=8).stages[1][0]
    assert (first.conv1.conv.stride, first.conv2.conv.stride) == ((1, 1), (2, 2))
