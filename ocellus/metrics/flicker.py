"""How much a generated video flickers: changes from frame to frame where its source does not change."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError

STILL = 2 / 255
"""A source's pixel is still where no channel changes by more: the least that a camera's noise is."""


class Flicker(NamedTuple):
    """Changes of a video where its source is still.

    Args:
        change: mean change of the generated video from frame to frame, at still pixels, in [0, 1].
        source: the same of the source, at the same pixels.
        ratio: the one over the other.
        still: share of all pixels that are still.
        frames: how many.
    """

    change: float
    source: float
    ratio: float
    still: float
    frames: int


def flicker(frames: Tensor, source: Tensor, *, still: float = STILL) -> Flicker:
    """How much a video changes where its source does not; no motion has to be known.

    Args:
        frames: (T, C, H, W) in [0, 1], generated.
        source: (T, C', H, W) in [0, 1], what they were made from.
        still: largest change of a source's pixel, in any channel, that counts as none.

    Returns:
        figures; nan where nothing is still.

    Raises:
        OcellusError: other sizes, or fewer than two frames.
    """
    _check(frames, source)
    moved = (source[1:] - source[:-1]).abs()
    quiet = moved.amax(dim=1) <= still  # (T - 1, H, W)
    changed = (frames[1:] - frames[:-1]).abs().mean(dim=1)
    count = int(quiet.sum())
    change, own = (
        float(side[quiet].double().mean()) if count else torch.nan for side in (changed, moved.mean(dim=1))
    )
    return Flicker(
        change=change,
        source=own,
        ratio=change / own if own else torch.nan,
        still=count / quiet.numel(),
        frames=len(frames),
    )


def warp(images: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures looked up where each pixel came from.

    Args:
        images: (B, C, H, W).
        flow: (B, 2, H, W) pixels to the right and down, from each pixel to its place in `images`.

    Returns:
        (B, C, H, W), bilinear; and (B, 1, H, W) bool, whether that place is inside the picture.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    columns = torch.arange(width, device=images.device, dtype=flow.dtype) + flow[:, 0]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    grid = torch.stack(
        [2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1], dim=-1
    )  # (B, H, W, 2), -1 and 1 at the centres of the outermost pixels
    found = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return found, inside[:, None]


def warping_error(frames: Tensor, flow: Tensor, *, visible: Tensor | None = None) -> float:
    """Mean difference of each frame from the one before it, moved along a known motion.

    Args:
        frames: (T, C, H, W) in [0, 1].
        flow: (T - 1, 2, H, W) from each frame's pixels to their places in the frame before, in pixels.
        visible: (T - 1, H, W) bool, pixels that could be seen in the frame before; None: all inside it.

    Returns:
        in [0, 1]; nan where nothing is visible in two frames.

    Raises:
        OcellusError: other sizes, or fewer than two frames.
    """
    _check(frames, frames)
    if flow.shape != (len(frames) - 1, 2, *frames.shape[2:]):
        raise OcellusError(
            f"a flow of {tuple(flow.shape)} for frames of {tuple(frames.shape)}: (T - 1, 2, H, W) is wanted"
        )
    moved, inside = warp(frames[:-1], flow)
    seen = inside[:, 0] if visible is None else inside[:, 0] & visible
    difference = (frames[1:] - moved).abs().mean(dim=1)[seen]
    return float(difference.double().mean()) if len(difference) else torch.nan


def _check(frames: Tensor, source: Tensor) -> None:
    if len(frames) < 2 or len(frames) != len(source) or frames.shape[2:] != source.shape[2:]:
        raise OcellusError(
            f"videos of {tuple(frames.shape)} and {tuple(source.shape)}: two or more frames, as many of the "
            "same size in both, are wanted"
        )
