"""Backgrounds out of focus: a blur that the subject's colors never get into, and how far each pixel is."""

from __future__ import annotations

from math import log2

import torch
from torch import Tensor

from ocellus.nn.matting import SOME, box_max, box_mean, resized

FINEST = 2.0  # pixels: a blur is computed at a resolution at which its sigma is still at least this
LEVELS = (0.25, 0.5, 1.0)  # shares of the full blur between which a depth is interpolated
THUMBNAIL = 72  # side at which distances are measured, in pixels
PURE = 0.9  # share of background from which a pixel's color is that of the background
SLIGHT = 1e-7
WIDER = 6  # times sigma: the blur that fills the middle of large subjects
REACH = 0.45  # distance from the subject, as a share of the picture's longer side, from which all is far


def blurred_background(
    images: Tensor, alpha: Tensor, *, sigma: float, margin: int = 2, size: tuple[int, int] | None = None
) -> Tensor:
    """What is behind the subject, blurred without the subject.

    Normalized convolution (Knutsson and Westin 1993): blur(w I) / blur(w) with w = 1 - alpha, so that a pixel
    that the subject covers has no say, instead of a halo of its colors around it. Under the subject the
    nearest background goes on.

    Args:
        images: (B, 3, H, W) in [0, 1].
        alpha: (B, 1, H, W) the subject's share.
        sigma: of the Gaussian, in pixels.
        margin: pixels around the subject that have no say either; masks are seldom exact to the pixel.
        size: of the result; None: that of the images.

    Returns:
        (B, 3, *size).
    """
    height, width = (int(side) for side in images.shape[2:])
    size = size or (height, width)
    shrink = 2 ** max(0, int(log2(max(sigma, 1) / FINEST)))
    small = (max(1, height // shrink), max(1, width // shrink))
    weights = 1 - box_max(alpha, margin)
    # A pixel of mixed color has a say only where there is none of pure background.
    weights = ((weights - PURE) / (1 - PURE)).clamp(min=0) + SLIGHT * weights
    both = gaussian(resized(torch.cat([images * weights, weights], 1), small), sigma / shrink)
    tiny = (max(1, small[0] // WIDER), max(1, small[1] // WIDER))
    # For the middle of large subjects, where no background is near.
    far = resized(gaussian(resized(both, tiny), sigma / shrink), small)
    near = both + SOME * far
    usual = far.mean((2, 3), keepdim=True) * SOME * SOME
    near = near + usual
    return resized(near[:, :3] / near[:, 3:].clamp(min=1e-20), size)


def gaussian(values: Tensor, sigma: float) -> Tensor:
    """About a Gaussian blur: three box means, whose variances add up to sigma squared.

    Args:
        values: (B, C, H, W).
        sigma: in pixels; below 0.58 nothing is blurred.
    """
    # A box of side n = 2 r + 1 has the variance (n^2 - 1) / 12 = r (r + 1) / 3.
    radius = int(((4 * sigma * sigma + 1) ** 0.5 - 1) / 2)
    less, more = radius * (radius + 1) / 3, (radius + 1) * (radius + 2) / 3
    wider = min(range(4), key=lambda count: abs(less * (3 - count) + more * count - sigma * sigma))
    for step in range(3):
        reach = min(radius + (step < wider), max(values.shape[2:]))
        values = box_mean(values, reach) if reach else values
    return values


def depth_blurred_background(
    images: Tensor,
    alpha: Tensor,
    depth: Tensor,
    *,
    sigma: float,
    margin: int = 2,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """As `blurred_background`, by a quarter of sigma where the depth is 0 and by all of it where it is 1.

    Args:
        images: (B, 3, H, W) in [0, 1].
        alpha: (B, 1, H, W) the subject's share.
        depth: (B, 1, h, w) in [0, 1], at any resolution.
        sigma: of the Gaussian at the largest depth, in pixels.
        margin: see `blurred_background`.
        size: of the result; None: that of the images.
    """
    size = size or (int(images.shape[2]), int(images.shape[3]))
    wanted = LEVELS[0] + (1 - LEVELS[0]) * resized(depth, size)  # (B, 1, *size) share of sigma
    levels = [
        blurred_background(images, alpha, sigma=share * sigma, margin=margin, size=size) for share in LEVELS
    ]
    result = levels[0]
    for index in range(1, len(LEVELS)):
        low, high = LEVELS[index - 1], LEVELS[index]
        result = torch.lerp(result, levels[index], ((wanted - low) / (high - low)).clamp(0, 1))
    return result


def guessed_depth(alpha: Tensor) -> Tensor:
    """How far behind the subject each pixel may be: farther away from it, and farther up from its lowest row.

    No depth is measured. What stands beside the subject's feet is taken to be as near as the subject, as
    ground is; what is above or beside it, to be far.

    Args:
        alpha: (B, 1, H, W).

    Returns:
        (B, 1, h, w) in [0, 1], of at most 72 pixels a side; 1 everywhere where there is no subject.
    """
    height, width = (int(side) for side in alpha.shape[2:])
    scale = min(1.0, THUMBNAIL / max(height, width))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    subject = resized(alpha, small) > 0.5  # (B, 1, h, w)
    away = (distance(subject) / (REACH * max(small))).clamp(0, 1)
    rows = torch.arange(small[0], device=alpha.device, dtype=torch.float32)
    lowest = torch.where(subject.any(3), rows, -1).amax(2, keepdim=True)[..., None]  # (B, 1, 1, 1)
    up = ((lowest - rows[:, None]) / max(small[0], 1)).clamp(0, 1).expand_as(away)
    found = subject.any(3, keepdim=True).any(2, keepdim=True)
    return torch.where(found, 1 - (1 - away) * (1 - up), torch.ones_like(away))


def distance(subject: Tensor) -> Tensor:
    """Euclidean distance in pixels from each pixel to the nearest of the subject, exact.

    In two passes (Felzenszwalb 2012, "Distance transforms of sampled functions", section 2.1), each by trying
    all places of a row or column, which is quick for thumbnails and needs h w (h + w) numbers.

    Args:
        subject: (B, 1, h, w) bool.

    Returns:
        (B, 1, h, w) float32; very large where there is no subject.
    """
    height, width = subject.shape[2:]
    columns = torch.arange(width, device=subject.device, dtype=torch.float32)
    rows = torch.arange(height, device=subject.device, dtype=torch.float32)
    along = (columns[:, None] - columns) ** 2  # (w, w)
    cost = torch.where(subject, 0.0, 1e12)  # (B, 1, h, w)
    cost = (cost[:, :, :, None, :] + along).amin(4)  # nearest within the row
    across = (rows[:, None] - rows) ** 2  # (h, h)
    return (cost[:, :, None] + across[..., None]).amin(3).sqrt()
