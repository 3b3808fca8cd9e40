"""Soft edges for masks: alpha refined by the picture, colors of what is half covered, calm over time.

Alpha is the share of a pixel that the subject covers: I = alpha F + (1 - alpha) B, with F and B the colors of
the subject and of what is behind it. All pictures here are float RGB in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SOME = 1e-5  # added to sums of weights: where nothing is near, the picture itself answers
NOISE = 0.02  # change of color in [0, 1] that compression and the camera make
FOG = 0.15  # what the guided filter leaves of alpha beside an edge, on either side


def box_mean(values: Tensor, radius: int) -> Tensor:
    """The mean of a square window around each pixel; at the border, of what lies inside the picture.

    By sums of 2, 4, 8, ... neighbours, so that wide windows cost hardly more than narrow ones; ten times as
    fast as torch's average pooling on CPUs, and as exact, other than by differences of running sums.

    Args:
        values: (B, C, H, W).
        radius: the window's side is 2 radius + 1 pixels.
    """
    height, width = values.shape[2:]
    rows, columns = min(radius, height - 1), min(radius, width - 1)
    sums = F.pad(values, (columns, columns, rows, rows))
    sums = _window_sums(_window_sums(sums, 2 * columns + 1, dim=3), 2 * rows + 1, dim=2)
    return sums.div_(_counts(height, rows, values)[:, None] * _counts(width, columns, values))


def box_max(values: Tensor, radius: int) -> Tensor:
    """The largest value of a square window around each pixel.

    Args:
        values: (B, C, H, W).
        radius: the window's side is 2 radius + 1 pixels.
    """
    side = 2 * radius + 1
    most = F.pad(values, (radius, radius, radius, radius), value=float("-inf"))
    for dim in (3, 2):
        length, reach = most.shape[dim] - side + 1, 1
        while 2 * reach <= side:
            rest = most.shape[dim] - reach
            most = torch.maximum(most.narrow(dim, 0, rest), most.narrow(dim, reach, rest))
            reach *= 2
        most = torch.maximum(most.narrow(dim, 0, length), most.narrow(dim, side - reach, length))
    return most


def _window_sums(values: Tensor, side: int, *, dim: int) -> Tensor:
    """Sums of `side` neighbours, from parts of 1, 2, 4, ... of them: the binary digits of `side`."""
    length = values.shape[dim] - side + 1
    total: Tensor | None = None
    offset, reach = 0, 1
    while side:
        if side & 1:
            part = values.narrow(dim, offset, length)
            total = part.clone() if total is None else total.add_(part)
            offset += reach
        side >>= 1
        if side:
            rest = values.shape[dim] - reach
            values = values.narrow(dim, 0, rest) + values.narrow(dim, reach, rest)
            reach *= 2
    assert total is not None
    return total


def _counts(length: int, radius: int, like: Tensor) -> Tensor:
    """(length,) how many places of a window around each lie inside."""
    places = torch.arange(length, device=like.device)
    first, last = (places - radius).clamp(min=0), (places + radius).clamp(max=length - 1)
    return (last - first + 1).to(like.dtype)


def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) at another size: the mean of what each new pixel covers, bilinear where it grows."""
    height, width = values.shape[2:]
    if (height, width) == tuple(size):
        return values
    if tuple(size) == (1, 1) and not values.is_floating_point():
        # torch 2.15 fails here for bytes of three channels ("num_channels == unpacked_output.size(0)").
        return values.float().mean((2, 3), keepdim=True).round_().to(values.dtype)
    smaller = size[0] <= height and size[1] <= width
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=smaller)


def guided_filter(
    guide: Tensor,
    mask: Tensor,
    *,
    radius: int = 4,
    smoothness: float = 1e-4,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """A soft mask at the guide's size whose edges are where the guide has edges.

    The fast guided filter (He 2015, arXiv:1505.00996; He 2013, "Guided image filtering", section 3.5 for
    color guides): in each window the mask is the linear function q = a . I + b of the guide's colors that is
    nearest to it. a and b are found at the mask's resolution, averaged, enlarged, and applied to the guide at
    full size.

    Args:
        guide: (B, 3, H, W) or (B, 1, H, W), the picture.
        mask: (B, 1, h, w) in [0, 1], at most as large as the guide.
        radius: of the windows, in pixels of the mask.
        smoothness: the variance of colors in [0, 1] below which a window counts as flat.
        size: resolution at which a and b are found; None: the mask's.

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    size = size or (int(mask.shape[2]), int(mask.shape[3]))
    small, mask = resized(guide, size), resized(mask, size)
    count = int(small.shape[1])
    parts = box_mean(torch.cat([small, mask, small * mask], 1), radius)
    mean, target = parts[:, :count], parts[:, count : count + 1]
    shared = parts[:, count + 1 :] - mean * target  # (B, C, h, w) covariance of guide and mask
    slopes = _solved(small, mean, shared, radius=radius, smoothness=smoothness)
    offset = target - (slopes * mean).sum(1, keepdim=True)
    lines = resized(box_mean(torch.cat([slopes, offset], 1), radius), (guide.shape[2], guide.shape[3]))
    return ((lines[:, :-1] * guide).sum(1, keepdim=True) + lines[:, -1:]).clamp(0, 1)


def _solved(small: Tensor, mean: Tensor, shared: Tensor, *, radius: int, smoothness: float) -> Tensor:
    """a = (Sigma + smoothness 1)^-1 covariance, equation 19; the 3x3 inverse is written out."""
    if small.shape[1] == 1:
        return shared / (box_mean(small * small, radius) - mean * mean + smoothness)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    first, second = [i for i, _ in pairs], [j for _, j in pairs]
    variance = box_mean(small[:, first] * small[:, second], radius) - mean[:, first] * mean[:, second]
    rr, rg, rb, gg, gb, bb = variance.unbind(1)
    rr, gg, bb = rr + smoothness, gg + smoothness, bb + smoothness
    # The adjugate of the symmetric matrix, row by row.
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    r, g, b = shared.unbind(1)
    slopes = [c00 * r + c01 * g + c02 * b, c01 * r + c11 * g + c12 * b, c02 * r + c12 * g + c22 * b]
    return torch.stack(slopes, 1) / determinant[:, None]


def refined(images: Tensor, mask: Tensor, *, radius: int = 5, longest: int = 480) -> Tensor:
    """Alpha at the picture's size from a mask that is coarser or less exact.

    The guided filter's answer, held between the mask eroded and the mask dilated by the filter's radius, so
    that a color that the subject and the background share leaves no fog far from the mask's edge.

    Args:
        images: (B, 3, H, W) in [0, 1].
        mask: (B, 1, h, w) in [0, 1].
        radius: about how far off the mask's edge may be, in pixels of a picture of `longest` pixels.
        longest: the longer side at which the filter's lines are found.

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    height, width = images.shape[2:]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = resized(mask, size)
    alpha = guided_filter(images, small, radius=radius, size=size)
    alpha = ((alpha - FOG) / (1 - 2 * FOG)).clamp(0, 1)
    most, least = box_max(torch.cat([small, -small], 1), radius).chunk(2, 1)
    bounds = resized(torch.cat([-least, most], 1), (height, width))
    return torch.minimum(torch.maximum(alpha, bounds[:, :1]), bounds[:, 1:])


def split_colors(
    images: Tensor, alpha: Tensor, *, radii: tuple[int, ...] = (90, 30, 6)
) -> tuple[Tensor, Tensor]:
    """The colors of the subject and of what is behind it, everywhere.

    Blur fusion (Forte 2021, arXiv:2006.14970): the neighbours' colors, weighted by alpha and by 1 - alpha,
    are the guess; what is left of the picture is then given to the subject, by the share it has.
    Coarse passes first, then a fine one from their answer.

    Differs from the paper: wide windows are taken at a lower resolution, which is faster and hardly differs;
    there are three passes, not two; and the rest is shared out between both colors by least squares, so that
    I = alpha F + (1 - alpha) B. Then both colors are held within 0 to 1: where that cuts something off one of
    them, the two no longer make the picture.

    Args:
        images: (B, 3, H, W) in [0, 1].
        alpha: (B, 1, H, W) in [0, 1].
        radii: of the windows in pixels, coarse to fine.

    Returns:
        (front, back), each (B, 3, H, W) in [0, 1]. Where alpha is 1 the front is the picture itself, where it
        is 0 the back is.
    """
    front = back = images
    rest = 1 - alpha
    norm = alpha * alpha + rest * rest
    for radius in radii:
        near = mean_color(front, alpha, radius)
        behind = mean_color(back, rest, radius)
        left = (images - alpha * near - rest * behind) / norm
        front = (near + alpha * left).clamp(0, 1)
        back = (behind + rest * left).clamp(0, 1)
    return front, back


def mean_color(colors: Tensor, weights: Tensor, radius: int) -> Tensor:
    """The weighted mean color of a window; the mean of the picture's weighted colors where no weight is near.

    Args:
        colors: (B, 3, H, W).
        weights: (B, 1, H, W), 0 or more.
        radius: in pixels; from 16 on it is taken at a lower resolution.
    """
    height, width = colors.shape[2:]
    shrink = max(1, radius // 8)
    small = (max(1, height // shrink), max(1, width // shrink))
    both = resized(torch.cat([colors * weights, weights], 1), small)
    total = both.mean((2, 3), keepdim=True)
    usual = total[:, :3] / total[:, 3:].clamp(min=SOME)
    mean = box_mean(both, max(1, round(radius / shrink)))
    return resized((mean[:, :3] + SOME * usual) / (mean[:, 3:] + SOME), (height, width))


class LastFrame(NamedTuple):
    """What the smoothing of a video remembers of the frame before."""

    alpha: Tensor  # (B, 1, H, W) as it was answered
    images: Tensor  # (B, 3, H, W) what it was answered for


def smoothed(
    alpha: Tensor, images: Tensor, before: LastFrame | None, *, keep: float = 0.85, motion: float = 0.08
) -> tuple[Tensor, LastFrame]:
    """Alpha that holds still where the picture does, and follows at once where it moves.

    A recursive filter, s_t = s_(t-1) + k (alpha_t - s_(t-1)), whose gain k rises from 1 - keep where nothing
    moves to 1 where colors change by `motion` or more in the neighbourhood. A cut, where most of the picture
    changes, therefore starts anew by itself.

    Args:
        alpha: (B, 1, H, W) of this frame.
        images: (B, 3, H, W) the frame, at the same size.
        before: what the last call returned; None at the beginning.
        keep: share of the last answer that is kept where nothing moves, 0 to below 1; 0: no smoothing.
        motion: change of color in [0, 1] that counts as motion; below 0.02 it counts as noise.

    Returns:
        (alpha, what to give to the next call).
    """
    if before is None or before.alpha.shape != alpha.shape or keep <= 0:
        return alpha, LastFrame(alpha, images)
    change = box_mean((images - before.images).abs().amax(1, keepdim=True), 2)  # (B, 1, H, W)
    moving = ((change - NOISE) / (motion - NOISE)).clamp(0, 1)
    calm = torch.lerp(before.alpha, alpha, 1 - keep + keep * moving)
    return calm, LastFrame(calm, images)


def flicker(
    alpha: Tensor, before: Tensor, images: Tensor, images_before: Tensor, *, still: float = 0.02
) -> float:
    """How much alpha changed where the picture did not.

    Args:
        alpha: (B, 1, H, W) of a frame.
        before: (B, 1, H, W) of the frame before.
        images: (B, 3, H, W) the frame.
        images_before: (B, 3, H, W) the frame before.
        still: change of color in [0, 1] up to which a pixel counts as unchanged.

    Returns:
        The mean of |alpha_t - alpha_(t-1)| over the unchanged pixels; nan where every pixel changed.
    """
    unchanged = (images - images_before).abs().amax(1, keepdim=True) <= still
    return float((alpha - before).abs()[unchanged].mean())
