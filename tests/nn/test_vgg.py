"""VGG against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from ocellus.nn.vgg import VGG


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_as_torchvision(depth: int) -> None:
    torch.manual_seed(0)
    with torch.device("meta"):  # its linear layers are large, and not needed
        theirs = getattr(models, f"vgg{depth}")(weights=None).features
    ours = VGG(depth)
    theirs.load_state_dict(
        dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)), assign=True
    )
    images = torch.randn(1, 3, 75, 97)
    with torch.no_grad():
        levels = ours(images)
        wanted = theirs(images)
    assert [level.shape[1] for level in levels] == list(ours.channels) == [64, 128, 256, 512, 512]
    assert [tuple(level.shape[2:]) for level in levels] == [(37, 48), (18, 24), (9, 12), (4, 6), (2, 3)]
    torch.testing.assert_close(levels[-1], wanted)


def test_rounding_and_padding() -> None:
    levels = VGG(11, channels=2, width=2, padding=100, ceil=True)(torch.randn(1, 2, 50, 60))
    assert [tuple(level.shape[2:]) for level in levels] == [(124, 129), (62, 65), (31, 33), (16, 17), (8, 9)]
