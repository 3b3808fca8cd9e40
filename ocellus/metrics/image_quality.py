"""How near a picture is to the true one, pixel by pixel: PSNR, SSIM and MS-SSIM, in colors or in luminance.

Figures of super-resolution are taken on the luminance Y of MATLAB's rgb2ycbcr, less a border of as many
pixels as the picture was enlarged. A mean over colors and whole pictures gives other numbers: say which.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Weights of red, green and blue in [0, 1] (ITU-R BT.601, studio range, as MATLAB's rgb2ycbcr)."""
OFFSET = 16 / 255
WINDOW, SIGMA = 11, 1.5
"""Side and sigma of the Gaussian window (Wang 2004, doi:10.1109/TIP.2003.819861, section III-C)."""
K1, K2 = 0.01, 0.03
"""Of the constants that keep a division by nearly nothing away, of values in [0, 1]."""
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents from the finest scale on (Wang 2003, doi:10.1109/ACSSC.2003.1292216, section 3.2)."""


def luminance(images: Tensor) -> Tensor:
    """The Y of MATLAB's rgb2ycbcr: 16/255 for black to 235/255 for white, not rounded.

    Args:
        images: (..., 3, H, W) RGB in [0, 1].

    Returns:
        (..., 1, H, W).
    """
    weights = torch.tensor(LUMA, device=images.device, dtype=images.dtype)
    return torch.einsum("c,...chw->...hw", weights, images).unsqueeze(-3) + OFFSET


def psnr(image: Tensor, truth: Tensor, *, crop: int = 0, luma: bool = False) -> float:
    """Peak signal-to-noise ratio in dB: -10 log10 of the mean squared error, of values in [0, 1].

    Args:
        image: (C, H, W) in [0, 1].
        truth: the same shape.
        crop: pixels at each border that do not count.
        luma: compare luminance, not colors.

    Returns:
        dB; infinity where both are the same.

    Raises:
        OcellusError: other shapes, or nothing is left to compare.
    """
    image, truth = _compared(image, truth, crop=crop, luma=luma)
    error = float((image - truth).square().mean())
    return -10 * math.log10(error) if error else math.inf


def ssim(image: Tensor, truth: Tensor, *, crop: int = 0, luma: bool = False) -> float:
    """Structural similarity (Wang 2004), the mean over all windows that lie inside, and over channels.

    Args:
        image: (C, H, W) in [0, 1], of 11 pixels or more a side.
        truth: the same shape.
        crop: pixels at each border that do not count.
        luma: compare luminance, not colors.

    Returns:
        at most 1, of equal pictures.

    Raises:
        OcellusError: other shapes, or pictures smaller than the window.
    """
    image, truth = _compared(image, truth, crop=crop, luma=luma, least=WINDOW)
    similarity, _ = _similarities(image, truth)
    return float(similarity.mean())


def ms_ssim(image: Tensor, truth: Tensor, *, crop: int = 0, luma: bool = False) -> float:
    """Structural similarity at five scales (Wang 2003): Π of contrast and structure, and luminance last.

    Contrast is negative where pictures are each other's negatives; it then counts as 0.

    Args:
        image: (C, H, W) in [0, 1], of 176 pixels or more a side.
        truth: the same shape.
        crop: pixels at each border that do not count.
        luma: compare luminance, not colors.

    Returns:
        0 to 1.

    Raises:
        OcellusError: other shapes, or pictures that are smaller than the window at the coarsest scale.
    """
    least = WINDOW * 2 ** (len(SCALES) - 1)
    image, truth = _compared(image, truth, crop=crop, luma=luma, least=least)
    product = torch.ones((), dtype=image.dtype)
    for number, exponent in enumerate(SCALES):
        similarity, structure = _similarities(image, truth)
        last = number == len(SCALES) - 1
        product = product * (similarity if last else structure).mean().clamp_min(0).cpu() ** exponent
        if not last:
            image, truth = (F.avg_pool2d(side[None], 2)[0] for side in (image, truth))
    return float(product)


def _similarities(image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(C, h, w) SSIM of each window, and its part of contrast and structure (equations 12 and 13)."""
    window = _window().to(image)
    channels = len(image)
    stack = torch.cat([image, truth, image * image, truth * truth, image * truth])[:, None]  # (5 C, 1, H, W)
    smooth = F.conv2d(F.conv2d(stack, window[None, None, :, None]), window[None, None, None])[:, 0]
    mean, mean_truth, square, square_truth, both = torch.split(smooth, channels)
    variances = (square - mean * mean) + (square_truth - mean_truth * mean_truth)
    structure = (2 * (both - mean * mean_truth) + K2**2) / (variances + K2**2)
    luminances = (2 * mean * mean_truth + K1**2) / (mean * mean + mean_truth * mean_truth + K1**2)
    return luminances * structure, structure


@cache
def _window() -> Tensor:
    """(11,) Gaussian weights, their sum 1."""
    places = torch.arange(WINDOW, dtype=torch.float64) - (WINDOW - 1) / 2
    weights = torch.exp(-(places**2) / (2 * SIGMA**2))
    return weights / weights.sum()


def _compared(
    image: Tensor, truth: Tensor, *, crop: int, luma: bool, least: int = 1
) -> tuple[Tensor, Tensor]:
    """What is compared of two pictures, in double precision: variances are differences of near numbers."""
    if image.shape != truth.shape or image.ndim != 3:
        raise OcellusError(
            f"pictures of {tuple(image.shape)} and {tuple(truth.shape)} cannot be compared; both must be "
            "(C, H, W) of one size"
        )
    if luma and len(image) != 3:
        raise OcellusError(f"luminance is of three colors; these pictures have {len(image)} channels")
    height, width = image.shape[1] - 2 * crop, image.shape[2] - 2 * crop
    if crop < 0 or min(height, width) < least:
        raise OcellusError(
            f"pictures of {image.shape[2]}x{image.shape[1]} pixels less a border of {crop} are too small: "
            f"{least} or more a side are compared"
        )
    pair = [side.detach().double()[:, crop : crop + height, crop : crop + width] for side in (image, truth)]
    if luma:
        pair = [luminance(side) for side in pair]
    return pair[0], pair[1]
