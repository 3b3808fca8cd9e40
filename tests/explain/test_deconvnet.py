"""A deconvnet written out by hand: unpooling by switches, rectification, transposed filters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.explain import deconvnet
from ocellus.nn.scores import unit_score
from tests.explain.networks import image, relative


class Pooled(nn.Module):
    """Convolution, ReLU and max-pooling, twice, then a linear layer (Zeiler 2014, figure 1)."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.kernel, self.stride = kernel, stride
        self.first = nn.Conv2d(3, 10, 5, padding=2)
        self.second = nn.Conv2d(10, 12, 3, padding=1, stride=2)
        self.last = nn.Linear(12 * 9, 7)
        self.pool = nn.MaxPool2d(kernel, stride, padding=kernel // 2 if kernel != stride else 0)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(F.relu(self.first(images)))
        maps = self.pool(F.relu(self.second(maps)))
        return self.last(F.adaptive_max_pool2d(maps, 3).flatten(1))


def unpooled(signal: Tensor, switches: Tensor, size: torch.Size) -> Tensor:
    """Each value put where its window's maximum was; where two windows share one, both are added."""
    flat = signal.new_zeros(*size[:2], size[2] * size[3])
    flat.scatter_add_(2, switches.flatten(2), signal.flatten(2))
    return flat.view(size)


def by_hand(network: Pooled, images: Tensor, start: Tensor | tuple[str, int]) -> Tensor:
    """What the deconvnet shows of a class, or of the strongest place of a unit of a convolution."""
    pool = {"kernel_size": network.kernel, "stride": network.stride, "padding": network.pool.padding}
    first = network.first(images)
    pooled, switches = F.max_pool2d(F.relu(first), **pool, return_indices=True)
    second = network.second(pooled)
    again, more = F.max_pool2d(F.relu(second), **pool, return_indices=True)
    if isinstance(start, tuple):
        _, channel = start
        chosen = second[0, channel]
        signal = torch.zeros_like(second)
        signal[0, channel].flatten()[chosen.argmax()] = 1.0
    else:
        _, top = F.adaptive_max_pool2d(again, 3, return_indices=True)
        signal = network.last.weight[start].view(1, 12, 3, 3)
        signal = unpooled(signal, top, again.shape)
        signal = unpooled(signal, more, second.shape).clamp(min=0)
    signal = F.conv_transpose2d(signal, network.second.weight, stride=2, padding=1, output_padding=1)
    signal = unpooled(signal, switches, first.shape).clamp(min=0)
    return F.conv_transpose2d(signal, network.first.weight, padding=2)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2)])
@torch.no_grad()
def test_as_written_out_by_hand(kernel: int, stride: int) -> None:
    network, images = Pooled(kernel, stride).eval(), image(48)
    for label in range(3):
        found = deconvnet.explain(network, images, score=label)
        assert relative(found.channels, by_hand(network, images, torch.tensor(label))[0]) < 1e-5
    for channel in range(3):
        found = deconvnet.explain(network, images, score=unit_score("second", channel))
        assert relative(found.channels, by_hand(network, images, ("second", channel))[0]) < 1e-5
        assert found.target == f"unit {channel} of second"


@torch.no_grad()
def test_switches_are_those_of_the_picture() -> None:
    """Where windows do not overlap, torch's own unpooling does the same; other switches do something else."""
    network, images = Pooled(2, 2).eval(), image(48)
    maps, switches = F.max_pool2d(F.relu(network.first(images)), 2, return_indices=True)
    assert torch.equal(
        F.max_unpool2d(maps, switches, 2), unpooled(maps, switches, torch.Size((1, 10, 48, 48)))
    )
    one = deconvnet.explain(network, images, score=0).channels
    other = deconvnet.explain(network, image(48, seed=1), score=0).channels
    assert relative(one, other) > 0.1
