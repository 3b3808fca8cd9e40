"""The mask branch's shortcuts against the layers they stand for."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from ocellus.nn.ragged import batch_rois, padded, scattered, unpadded
from ocellus.nn.region_heads import MaskBranch


def test_upsampling_is_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    branch = MaskBranch(6, hidden=8, layers=2, outputs=3)
    nn.init.normal_(branch.upsample.bias)
    pooled = torch.randn(4, 6, 5, 5)
    features = pooled
    for conv in branch.convs:
        features = F.relu(conv(features))
    wanted = branch.score(F.relu(branch.upsample(features)))
    assert torch.allclose(branch(pooled), wanted, atol=1e-5)


def test_one_output_of_each_box_is_that_of_all() -> None:
    torch.manual_seed(0)
    branch = MaskBranch(6, hidden=8, layers=0, outputs=3)
    nn.init.normal_(branch.score.bias)
    pooled, outputs = torch.randn(4, 6, 5, 5), torch.tensor([2, 0, 1, 2])
    assert torch.allclose(branch(pooled, outputs), branch(pooled)[torch.arange(4), outputs], atol=1e-5)
    assert branch(pooled[:0], outputs[:0]).shape == (0, 10, 10)


def test_ragged() -> None:
    parts = [torch.rand(2, 4), torch.rand(0, 4), torch.rand(3, 4)]
    values, valid = padded(parts)
    assert values.shape == (3, 3, 4) and valid.sum(dim=1).tolist() == [2, 0, 3]
    for part, again in zip(parts, unpadded(values, valid), strict=True):
        assert torch.equal(part, again)
    rows = batch_rois(parts)
    assert rows[:, 0].tolist() == [0, 0, 2, 2, 2] and torch.equal(rows[:, 1:], torch.cat(parts))
    assert torch.equal(scattered(torch.cat(parts), valid), values)
