"""RGB and Lab against scikit-image, there and back, and with gradients."""

from __future__ import annotations

import numpy as np
import torch
from skimage import color

from ocellus.nn.lab import lab_to_rgb, rgb_to_lab

IMAGE = np.random.default_rng(0).random((20, 30, 3))


def test_equals_scikit_image() -> None:
    image = IMAGE.copy()
    image[:2] /= 40  # dark: the straight part of both curves
    image[2, :3] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    found = rgb_to_lab(tensor)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, color.rgb2lab(image), atol=2e-3)
    back = lab_to_rgb(rgb_to_lab(tensor))
    torch.testing.assert_close(back, tensor, atol=2e-5, rtol=0)


def test_colours_that_rgb_does_not_have_are_clamped_as_scikit_image_does() -> None:
    lab = np.stack([IMAGE[..., 0] * 100, IMAGE[..., 1] * 220 - 110, IMAGE[..., 2] * 220 - 110], -1)
    found = lab_to_rgb(torch.from_numpy(lab).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, color.lab2rgb(lab), atol=1e-4)


def test_grey_has_no_colour_and_gradients_are_finite() -> None:
    grey = torch.linspace(0, 1, 12).reshape(1, 1, 3, 4)
    lab = rgb_to_lab(grey)
    assert lab[:, 1:].abs().max() < 2e-2 and lab[0, 0, 0, 0] == 0 and abs(float(lab[0, 0, 2, 3]) - 100) < 1e-3
    colours = torch.zeros(1, 3, 2, 2, requires_grad=True)  # black: where the roots' slopes would be infinite
    lab_to_rgb(colours).sum().backward()
    assert colours.grad is not None and colours.grad.isfinite().all()
    image = torch.zeros(1, 3, 2, 2, requires_grad=True)
    rgb_to_lab(image).sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()
