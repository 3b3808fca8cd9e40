"""Receptive fields: by formula, by published numbers, and by poisoning the pixels one row at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.nn.hooks import recorded
from ocellus.nn.receptive_field import Field, gradient_box, receptive_field
from ocellus.nn.subject import Subject


def subject(height: int, width: int = 0, channels: int = 3) -> Subject:
    size = (height, width or height)
    images = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    return Subject(images, size, size)


class Last(nn.Module):
    """A function as a network whose last layer is called "out"; it holds the layers that are given."""

    def __init__(self, function: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.function, self.out = function, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.out(self.function(self, images))


def poisoned(network: nn.Module, size: tuple[int, int], axis: int, layer: str) -> list[tuple[int, int]]:
    """First and end of the rows (axis 0) or columns whose poison, not a number, reaches each place."""
    found: list[tuple[int, int]] = []
    kept: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda m, i, output: kept.append(output))
    for line in range(size[axis]):
        images = torch.rand(1, 3, *size)
        images.select(2 + axis, line).fill_(float("nan"))
        with torch.no_grad():
            network.eval()(images)
    handle.remove()
    reached = torch.stack([one[0].isnan().any(dim=0).any(dim=1 - axis) for one in kept])  # (lines, places)
    for place in reached.T:
        lines = place.nonzero().flatten().tolist()
        found.append((lines[0], lines[-1] + 1) if lines else (0, 0))
    return found


def spans(field: Field, axis: int) -> list[tuple[int, int]]:
    """The same of a field."""
    own = (field.rows, field.columns)[axis]
    count = 1 if own is None else len(own.first)
    boxes = [field.box(place, 0) if axis == 0 else field.box(0, place) for place in range(count)]
    return [(box[1], box[3]) if axis == 0 else (box[0], box[2]) for box in boxes]


CASES: dict[str, Last] = {
    "strides, padding, dilation": Last(
        lambda m, x: m.c(F.relu_(m.b(m.a(x)))),
        a=nn.Conv2d(3, 4, (3, 5), stride=(1, 2), padding=1), b=nn.Conv2d(4, 4, 3, dilation=2),
        c=nn.Conv2d(4, 2, 2, padding="same"),
    ),
    "a residual sum": Last(lambda m, x: x[:, :1] + m.a(x), a=nn.Conv2d(3, 1, 5, padding=2)),
    "branches put together": Last(
        lambda m, x: torch.cat([m.a(x), F.max_pool2d(m.a(x), 3, 1, 1)], 1), a=nn.Conv2d(3, 2, 1)
    ),
    "pooling that goes over the edge": Last(lambda m, x: F.max_pool2d(x, 3, stride=2, ceil_mode=True)),
    "averages": Last(lambda m, x: F.avg_pool2d(x, 2) + F.adaptive_avg_pool2d(x, (11, 9))),
    "a transposed convolution": Last(
        lambda m, x: m.up(F.avg_pool2d(x, 4)), up=nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    ),
    "nearest": Last(lambda m, x: F.interpolate(F.avg_pool2d(x, 3), scale_factor=2.5)),
    "cuts and mirrors": Last(lambda m, x: F.avg_pool2d(x[:, :, 2:-1:2, ..., 1:].flip(3), 2)),
    "a shortcut that skips": Last(lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3))),
    "mirrored borders": Last(
        lambda m, x: m.a(x), a=nn.Conv2d(3, 2, 5, padding=2, padding_mode="reflect")
    ),
    "channels last": Last(
        lambda m, x: m.l(m.a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        a=nn.Conv2d(3, 4, 4, stride=4), l=nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3), nn.GELU()),
    ),
    "shuffled channels": Last(
        lambda m, x: (m.a(x).view(1, 2, 2, 22, 18).transpose(1, 2).reshape(1, 4, 22, 18).chunk(2, 1)[1]),
        a=nn.Conv2d(3, 4, 3, padding=1),
    ),
    "pixels from channels": Last(lambda m, x: F.pixel_shuffle(m.a(x), 2), a=nn.Conv2d(3, 4, 3)),
    "put side by side": Last(lambda m, x: torch.cat([x[:, :, 5:], F.avg_pool2d(x, 3, 1, 1)], 2)),
    "rows averaged": Last(lambda m, x: m.a(x).mean(dim=2, keepdim=True).expand(-1, -1, 4, -1),
                          a=nn.Conv2d(3, 2, 3)),
}  # fmt: skip


RESIZES: dict[str, dict[str, object]] = {
    "larger and smaller": {"size": (9, 40), "mode": "bilinear"},
    "corners": {"size": (40, 9), "mode": "bilinear", "align_corners": True},
    "by a factor": {"scale_factor": 0.61, "mode": "bilinear"},
    "smoothed": {"size": (7, 6), "mode": "bilinear", "antialias": True},
    "cubic": {"scale_factor": 2, "mode": "bicubic"},
    "area": {"size": (5, 7), "mode": "area"},
    "exact": {"size": (13, 31), "mode": "nearest-exact"},
}


@pytest.mark.parametrize("name", RESIZES)
def test_field_of_resizes_is_where_their_gradient_is(name: str) -> None:
    """Poison would go through weights of 0, which pixels at a distance of exactly one have."""
    network = Last(lambda m, x: F.interpolate(x, **RESIZES[name]))
    given = subject(22, 18)
    field = receptive_field(network, given, "out")
    images = given.images.double().requires_grad_()
    maps = network(images)[0, 0]
    for axis in (0, 1):
        for place, span in enumerate(spans(field, axis)):
            (gradient,) = torch.autograd.grad(maps.select(axis, place).sum(), images, retain_graph=True)
            lines = (gradient[0].abs().sum(dim=0).sum(dim=1 - axis) > 1e-12).nonzero().flatten().tolist()
            assert span == (lines[0], lines[-1] + 1), f"place {place} of axis {axis}"


@pytest.mark.parametrize("name", CASES)
def test_field_is_where_poison_spreads_from(name: str) -> None:
    network, size = CASES[name], (22, 18)
    field = receptive_field(network, subject(*size), "out")
    for axis in (0, 1):
        wanted = poisoned(network, size, axis, "out")
        found = spans(field, axis)
        found = found * len(wanted) if len(found) == 1 else found
        assert found == wanted, f"axis {axis}"
    assert name == "rows averaged" or not field.remarks


def test_chain_of_convolutions_by_formula() -> None:
    """r = 1 + sum of (k - 1) times the product of the strides before; for places away from the borders."""
    plan = [(7, 2), (3, 1), (3, 2), (5, 1), (3, 3)]
    network = nn.Sequential(*(nn.Conv2d(3, 3, kernel, stride=stride) for kernel, stride in plan))
    reach, jump = 1, 1
    for index, (kernel, stride) in enumerate(plan):
        reach += (kernel - 1) * jump
        jump *= stride
        field = receptive_field(network, subject(120), str(index))
        assert field.side == (reach, reach)
        assert field.box(1, 0) == (0, jump, reach, jump + reach)  # without padding place i begins at i jump


@pytest.mark.parametrize(("name", "layer", "side"), [("vgg16", "30", 212), ("alexnet", "12", 195)])
def test_published_sizes(name: str, layer: str, side: int) -> None:
    """Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", table 1."""
    with torch.device("meta"):
        features = torchvision.models.get_model(name, weights=None).features
    features = features.to_empty(device="cpu")
    assert receptive_field(features, subject(280), layer).side == (side, side)


def test_residual_network_by_hand() -> None:
    """ResNet-18: the stem 11 at stride 4, then four convolutions in each of four stages."""
    reach, jump = 11, 4
    for stage in range(4):
        reach += 2 * jump  # the convolution that may have a stride
        jump *= 2 if stage else 1
        reach += 3 * 2 * jump
    network = torchvision.models.resnet18(weights=None)
    assert reach == 435
    assert receptive_field(network, subject(512), "layer4").side == (reach, reach)


@pytest.mark.parametrize(
    "name", ["densenet121", "googlenet", "shufflenet_v2_x0_5", "convnext_tiny", "squeezenet1_1"]
)
def test_field_holds_the_gradient_of_whole_networks(name: str) -> None:
    more = {"init_weights": False} if name == "googlenet" else {}
    network = torchvision.models.get_model(name, weights=None, **more).eval()
    layer = {
        "densenet121": "features.transition1", "googlenet": "inception3b", "shufflenet_v2_x0_5": "stage2",
        "convnext_tiny": "features.2", "squeezenet1_1": "features.7",
    }[name]  # fmt: skip
    given = subject(128)
    field = receptive_field(network, given, layer)
    assert not field.remarks and 8 < field.side[0] < 128
    x1, y1, x2, y2 = field.box(3, 4)
    with torch.no_grad(), recorded(network, [layer]) as record:
        network(given.images)
    awake = int(record.activations[layer][-1][0][0, :, 3, 4].argmax())
    found = gradient_box(network, given, layer, place=(awake, 3, 4))
    assert x1 <= found[0] < found[2] <= x2 and y1 <= found[1] < found[3] <= y2
    assert (found[2] - found[0]) * (found[3] - found[1]) > 0.05 * (x2 - x1) * (y2 - y1)


def test_what_is_not_counted_is_said() -> None:
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1), nn.Sigmoid())
    field = receptive_field(Last(lambda m, x: x * m.gate(x), gate=gate), subject(20), "out")
    assert field.side == (1, 1) and "gates" in field.remarks[0]
    field = receptive_field(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), subject(20), "1")
    assert field.side == (3, 3) and "norm" in field.remarks[0]
    mixing = Last(lambda m, x: (x.flatten(2) @ torch.rand(400, 400)).view(1, 3, 20, 20))
    field = receptive_field(mixing, subject(20), "out")
    assert field.box(3, 3) == (0, 0, 20, 20) and "matmul" in field.remarks[0]
    swin = torchvision.models.swin_t(weights=None)
    assert receptive_field(swin, subject(64), "features.0.0").side == (4, 4)
    assert receptive_field(swin, subject(64), "features.1").side == (64, 64)


def test_gradient_box_holds_its_share() -> None:
    network = nn.Conv2d(3, 1, 9, padding=4, bias=False)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[:, :, 4, 4] = 1.0
        network.weight[:, :, 0, 0] = 0.001
    wrapped = nn.Sequential(network)
    assert gradient_box(wrapped, subject(20), "0", place=(0, 10, 10)) == (6, 6, 11, 11)
    assert gradient_box(wrapped, subject(20), "0", place=(0, 10, 10), share=0.9) == (10, 10, 11, 11)
    dead = nn.Sequential(network, nn.Threshold(9e9, 0.0))
    assert gradient_box(dead, subject(20), "1", place=(0, 5, 5)) == (0, 0, 0, 0)


def test_wrong_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    with pytest.raises(OcellusError, match=r"no layer '3' .* there is 0"):
        receptive_field(network, subject(20), "3")
    with pytest.raises(OcellusError, match="1 puts out no maps"):
        receptive_field(network, subject(20), "1")
