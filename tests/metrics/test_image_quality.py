"""PSNR, SSIM and MS-SSIM against scikit-image and torchmetrics, and luminance against MATLAB's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from ocellus.errors import OcellusError
from ocellus.metrics.image_quality import luminance, ms_ssim, psnr, ssim


def pair() -> tuple[Tensor, Tensor]:
    """A photograph, and the same with noise and less contrast; sides that are not alike."""
    truth = torch.from_numpy(data.astronaut()[:200, :232]).permute(2, 0, 1).float() / 255
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    return (0.1 + 0.8 * truth + 0.05 * noise).clamp(0, 1), truth


def test_luminance_of_known_colors() -> None:
    colors = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).T[:, :, None]  # (3, 3, 1)
    wanted = torch.tensor([16.0, 235.0, 81.481])  # rgb2ycbcr of black, white and red, times 255
    assert torch.allclose(255 * luminance(colors)[0, :, 0], wanted, atol=1e-3)


def test_luminance_is_scikit_images() -> None:
    image, _ = pair()
    theirs = rgb2ycbcr(image.permute(1, 2, 0).double().numpy())[..., 0] / 255
    assert np.allclose(luminance(image.double())[0].numpy(), theirs, atol=1e-9)


@pytest.mark.parametrize(("crop", "luma"), [(0, False), (4, False), (4, True)])
def test_psnr_is_scikit_images(crop: int, luma: bool) -> None:
    image, truth = pair()
    sides = [luminance(side) if luma else side for side in (image.double(), truth.double())]
    sides = [side[:, crop : side.shape[1] - crop, crop : side.shape[2] - crop].numpy() for side in sides]
    theirs = peak_signal_noise_ratio(sides[1], sides[0], data_range=1)
    assert psnr(image, truth, crop=crop, luma=luma) == pytest.approx(theirs, abs=1e-6)


def test_psnr_by_hand() -> None:
    truth = torch.zeros(3, 4, 4)
    assert psnr(truth + 0.1, truth) == pytest.approx(20)
    assert psnr(truth, truth) == math.inf


def theirs(image: Tensor, truth: Tensor) -> float:
    """scikit-image's SSIM of (..., C, H, W), with the settings of Wang 2004."""
    one, other = (side.reshape(side.shape[-3:]).double().numpy() for side in (image, truth))
    found = structural_similarity(
        other,
        one,
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(found)


@pytest.mark.parametrize("luma", [False, True])
def test_ssim_is_scikit_images(luma: bool) -> None:
    image, truth = (side.double() for side in pair())
    sides = [luminance(side) if luma else side for side in (image, truth)]
    assert ssim(image, truth, luma=luma) == pytest.approx(theirs(*sides), abs=1e-6)
    assert ssim(truth, truth) == pytest.approx(1)


def test_ms_ssim_is_torchmetrics_and_scikit_images() -> None:
    """Contrast and structure of four scales from the one, SSIM of the last from the other.

    torchmetrics' whole figure counts windows of mirrored pixels at the last scale, and differs a little.
    """
    image, truth = pair()
    sides = [side[None].double() for side in (image, truth)]
    wanted = 1.0
    for exponent in (0.0448, 0.2856, 0.3001, 0.2363):
        _, contrast = structural_similarity_index_measure(
            *sides, data_range=1.0, return_contrast_sensitivity=True
        )
        wanted *= float(contrast) ** exponent
        sides = [avg_pool2d(side, 2) for side in sides]
    wanted *= theirs(*sides) ** 0.1333
    assert ms_ssim(image, truth) == pytest.approx(wanted, abs=1e-6)
    whole = multiscale_structural_similarity_index_measure(image[None], truth[None], data_range=1.0)
    assert ms_ssim(image, truth) == pytest.approx(float(whole), abs=1e-3)
    assert ms_ssim(1 - truth, truth) == 0  # contrast of a negative is negative


def test_what_cannot_be_compared_is_refused() -> None:
    image, truth = pair()
    for given, wanted in (
        (lambda: psnr(image, truth[:, 1:]), "of one size"),
        (lambda: psnr(image, truth, crop=100), "too small"),
        (lambda: ssim(image[:, :10], truth[:, :10]), "11 or more"),
        (lambda: ms_ssim(image[:, :170], truth[:, :170]), "176 or more"),
        (lambda: psnr(image[:1], truth[:1], luma=True), "1 channels"),
    ):
        with pytest.raises(OcellusError, match=wanted):
            given()
