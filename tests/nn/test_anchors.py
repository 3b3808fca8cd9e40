"""Anchors: hand-computed, and as torchvision places them."""

from __future__ import annotations

import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from ocellus.nn.anchors import cell_anchors, grid_anchors


def test_cell_by_hand() -> None:
    # Area 16 * 16 and height over width 4: 8 wide, 32 high.
    assert cell_anchors(16, (4.0,), whole=False).tolist() == [[-4, -16, 4, 16]]
    half = cell_anchors(32, (0.5,), whole=False)[0]
    assert torch.allclose(half, torch.tensor([-22.627417, -11.313708, 22.627417, 11.313708]))
    assert cell_anchors(32, (0.5,), whole=True).tolist() == [[-23, -11, 23, 11]]


def test_order_is_row_column_ratio() -> None:
    level = grid_anchors([(2, 3)], (8, 12), sizes=(8.0,), ratios=(1.0, 4.0), whole=False)[0]
    centres = (level[:, :2] + level[:, 2:]) / 2
    assert centres[:4].tolist() == [[0, 0], [0, 0], [4, 0], [4, 0]]
    assert centres[6].tolist() == [0, 4]
    assert (level[1] - level[0]).tolist() != [0, 0, 0, 0]


def test_as_torchvision() -> None:
    """Also where the coarsest level does not divide the picture."""
    sizes, ratios = (8.0, 16.0, 32.0, 64.0, 128.0), (0.5, 1.0, 2.0)
    height, width = 416, 352
    grids = [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32, 64)]
    generator = AnchorGenerator(tuple((int(size),) for size in sizes), (ratios,) * 5)
    images = ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    wanted = generator(images, [torch.zeros(1, 1, *grid) for grid in grids])[0]
    found = grid_anchors(grids, (height, width), sizes=sizes, ratios=ratios, whole=True)
    assert torch.equal(torch.cat(found), wanted)
