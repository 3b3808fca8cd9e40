"""The moving average, against its formula."""

from __future__ import annotations

import torch
from torch import nn

from ocellus.training.ema import Average


def test_follows() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(network[0].weight, 8.0)
    average = Average(network, decay=0.5)
    nn.init.constant_(network[0].weight, 0.0)
    network[1].running_mean.fill_(7.0)
    network[1].num_batches_tracked.fill_(3)
    average.update(network, 1)  # decay 2 / 11 at first
    torch.testing.assert_close(average.network[0].weight, torch.tensor([[16 / 11]]))
    average.update(network, 100)
    torch.testing.assert_close(average.network[0].weight, torch.tensor([[8 / 11]]))
    torch.testing.assert_close(average.network[1].running_mean, torch.tensor([7 * (9 / 11 + 1 / 11)]))
    assert average.network[1].num_batches_tracked == 3
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert network[0].weight.requires_grad and network[0].weight == 0
