"""What is kept of inner tensors: order, names, in-place work, depths, and tensors of any shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocellus.nn.inside import LONGEST, chosen_depth, inner_tensors, summed_up


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.plain = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.plain(F.relu_(self.conv(images)))


class Network(nn.Module):
    """A reused block, several outputs, vectors, and work in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = Block()
        self.levels = Levels()
        self.last = nn.Linear(3, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.block(self.block(images))
        fine, coarse = self.levels(maps)
        return self.last(fine.mean(dim=(2, 3)) + coarse.mean(dim=(2, 3)))


class Levels(nn.Module):
    def forward(self, maps: Tensor) -> list[Tensor]:
        return [maps + 1, F.max_pool2d(maps, 2)]


IMAGES = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def test_tensors_come_in_the_order_of_the_work() -> None:
    network = Network()
    found = inner_tensors(network, lambda: network(IMAGES))
    names = [(one.name, one.call) for one in found]
    first = ["block.conv", "block.plain"]
    assert names == [
        *((n, 1) for n in first),
        *((n, 2) for n in first),
        ("levels[0]", 1),
        ("levels[1]", 1),
        ("last", 1),
    ]
    # The block hands on what its last module put out: one tensor, at the block's depth.
    assert [one.depth for one in found] == [2, 1, 2, 1, 1, 1, 1]
    assert found[-1].table is not None and found[-1].table.shape == (1, 5) and found[-1].strength is None


def test_values_are_those_before_later_work_in_place() -> None:
    network = Network()
    found = inner_tensors(network, lambda: network(IMAGES))
    with torch.no_grad():
        before = network.block.conv(IMAGES)
    assert found[0].low == float(before.min()) < 0 and found[1].low == 0
    assert torch.allclose(found[0].strength, before.abs().mean(dim=1))
    assert torch.allclose(found[1].channels, before.relu()[0, list(found[1].which)])


def test_overwritten_tensor_is_not_taken_for_what_it_was() -> None:
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            return F.relu_(self.conv(images))

    network = nn.Sequential(Overwrites())
    found = inner_tensors(network, lambda: network(IMAGES))
    assert [one.name for one in found] == ["0.conv", "0"]
    assert found[0].low < 0 and found[1].low == 0


def test_depth_keeps_the_number_of_maps_down() -> None:
    network = Network()
    found = inner_tensors(network, lambda: network(IMAGES))
    assert chosen_depth(found, 6) == 2 and chosen_depth(found, 5) == 1 and chosen_depth(found, 0) == 1
    assert chosen_depth([], 9) == 1


def test_only_those_that_are_named() -> None:
    network = Network()
    found = inner_tensors(network, lambda: network(IMAGES), names=("last",))
    assert [one.name for one in found] == ["last"]
    assert not any(module._forward_hooks for module in network.modules())


def test_any_shape_is_summed_up() -> None:
    wide = summed_up(torch.rand(1, 20, 400, 100), "a", "Conv2d", 1, 1)
    assert wide.strength.shape == (1, LONGEST, 24) and wide.channels.shape == (9, LONGEST, 24)
    regions = summed_up(torch.rand(30, 8, 7, 7), "a", "Conv2d", 1, 1)
    assert regions.strength.shape == (24, 7, 7) and regions.channels is None
    for shape, table in (
        ((5, 300), (5, 256)),
        ((7,), (1, 7)),
        ((), (1, 1)),
        ((1, 4, 1, 1), (1, 4)),
        ((2, 3, 4), (2, 12)),
    ):
        assert summed_up(torch.rand(shape), "a", "x", 1, 1).table.shape == table
    broken = summed_up(torch.tensor([[1.0, float("nan"), 3.0]]), "a", "x", 1, 1)
    assert (broken.low, broken.high) == (1.0, 3.0) and broken.table.isfinite().all()
