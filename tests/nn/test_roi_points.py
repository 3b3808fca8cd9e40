"""The points are those that RoIAlign samples: a map of coordinates tells where it was."""

from __future__ import annotations

import pytest
import torch

from ocellus.nn.roi import roi_align
from ocellus.nn.roi_points import roi_points

BOX = torch.tensor([20.0, 12.0, 75.0, 90.0])


@pytest.mark.parametrize(("bins", "ratio", "stride"), [(7, 2, 4), (14, 2, 8), (3, 0, 4), (5, 1, 2)])
def test_mean_of_a_bins_points_is_what_roi_align_reads_from_a_ramp(
    bins: int, ratio: int, stride: int
) -> None:
    side = 128 // stride
    centre = (torch.arange(side) + 0.5) * stride
    ramps = torch.stack([centre.expand(side, side), centre[:, None].expand(side, side)])[None]
    read = roi_align(
        ramps, torch.cat([torch.zeros(1), BOX])[None], output_size=bins, spatial_scale=1 / stride,
        sampling_ratio=ratio, aligned=True,
    )[0]  # fmt: skip
    points = roi_points(BOX, output_size=bins, stride=stride, sampling_ratio=ratio)
    assert points.shape[:2] == (bins, bins) and points.shape[4] == 2
    assert torch.allclose(points.mean(dim=(2, 3)).permute(2, 0, 1), read, atol=1e-3)


def test_number_of_points() -> None:
    assert roi_points(BOX, output_size=7, stride=4, sampling_ratio=2).shape == (7, 7, 2, 2, 2)
    # 55 x 78 pixels: bins of 7.9 x 11.1 pixels, 2 x 3 cells
    assert roi_points(BOX, output_size=7, stride=4, sampling_ratio=0).shape == (7, 7, 3, 2, 2)
