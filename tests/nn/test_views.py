"""Several views of one picture: each is put back where it was, and their mean is of probabilities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ocellus.nn.dense import dense_logits
from ocellus.nn.views import VIEWS, Averaged, seen, unseen


class Rows(nn.Module):
    """Class 1 where a pixel is brighter than the one to its left: not the same for a mirror image."""

    def forward(self, images: Tensor) -> Tensor:
        left = images.roll(1, dims=3)
        return torch.cat([left, images], dim=1)


def test_views_differ_and_are_undone() -> None:
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    views = [seen(picture, view) for view in range(8)]
    assert len({tuple(view.flatten().tolist()) + tuple(view.shape) for view in views}) == 8
    assert all(torch.equal(unseen(view, index), picture) for index, view in enumerate(views))


@pytest.mark.parametrize("views", VIEWS)
def test_the_mean_is_of_probabilities(views: int) -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 5, 7)
    network = Rows()
    wanted = torch.stack([unseen(network(seen(picture, v)).softmax(1), v) for v in range(views)]).mean(0)
    assert torch.allclose(Averaged(network, views)(picture).exp(), wanted, atol=1e-6)


def test_eight_views_do_not_care_how_the_picture_is_held() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 8, 12)
    network = Averaged(Rows(), 8)
    for view in range(8):
        turned = unseen(network(seen(picture, view)), view)
        assert torch.allclose(turned, network(picture), atol=1e-6)
    one = Averaged(Rows(), 1)
    assert not torch.allclose(unseen(one(seen(picture, 1)), 1), one(picture), atol=1e-3)


def test_it_goes_through_tiles_like_any_network() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 20, 30)
    found = dense_logits(Averaged(Rows(), 8), picture, stride=4)
    assert found.shape == (1, 2, 20, 30)
    assert torch.allclose(found.exp().sum(1), torch.ones(1, 20, 30), atol=1e-5)
