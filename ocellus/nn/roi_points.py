"""Where RoIAlign looks: the points inside each bin of a box at which features are sampled."""

from __future__ import annotations

import torch
from torch import Tensor


def roi_points(box: Tensor, *, output_size: int, stride: int, sampling_ratio: int = 2) -> Tensor:
    """The places in the picture that are meant by the samples of one box (arXiv:1703.06870, section 3).

    Args:
        box: (4,) x1, y1, x2, y2 in pixels of the input image.
        output_size: bins along each side.
        stride: pixels in a cell of the map that is sampled.
        sampling_ratio: samples along each side of a bin; 0: as many as the bin has cells, rounded up.

    Returns:
        (bins, bins, n, m, 2) x, y in pixels: row and column of the bin, row and column of the sample in it.
    """
    axes = []
    for start, end in ((box[1], box[3]), (box[0], box[2])):
        step = (end - start).float() / output_size
        count = sampling_ratio or max(1, int(torch.ceil(step / stride)))
        samples = (torch.arange(count) + 0.5) / count
        axes.append(start + (torch.arange(output_size)[:, None] + samples) * step)  # (bins, n)
    (y, x), (bins, n, m) = axes, (output_size, axes[0].shape[1], axes[1].shape[1])
    rows = y[:, None, :, None].expand(bins, bins, n, m)
    columns = x[None, :, None, :].expand(bins, bins, n, m)
    return torch.stack([columns, rows], dim=4)
