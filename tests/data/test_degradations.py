"""Degradations beside Pillow and SciPy, and by hand."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from ocellus.data.degradations import NAMES, Blur, Chain, Edges, Grey, Jpeg, Noise, blurred, named
from ocellus.errors import OcellusError

PHOTOGRAPH = torch.from_numpy(data.astronaut()[:96, :128].copy()).permute(2, 0, 1).float() / 255


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_grey_is_pillows() -> None:
    image = Image.fromarray((PHOTOGRAPH * 255).byte().permute(1, 2, 0).numpy())
    oracle = np.asarray(image.convert("L"), np.float32) / 255
    found = Grey()(PHOTOGRAPH, dice())
    assert found.shape == (1, 96, 128)
    assert np.abs(found[0].numpy() - oracle).max() < 1.01 / 255
    assert Grey(channels=3)(PHOTOGRAPH, dice()).shape == (3, 96, 128)


@pytest.mark.parametrize("deviation", [0.6, 1.5, 4.0])
def test_blur_is_scipys(deviation: float) -> None:
    oracle = gaussian_filter(PHOTOGRAPH.numpy(), (0, deviation, deviation), mode="mirror", truncate=8)
    found = blurred(PHOTOGRAPH, deviation)
    assert np.abs(found.numpy() - oracle).max() < 2e-3
    again = Blur(deviation, deviation)(PHOTOGRAPH, dice())
    assert torch.equal(again, found)


def test_jpeg_is_pillows() -> None:
    image = Image.fromarray((PHOTOGRAPH * 255).round().byte().permute(1, 2, 0).numpy())
    held = io.BytesIO()
    image.save(held, "JPEG", quality=30)
    oracle = np.asarray(Image.open(held), np.float32) / 255
    found = Jpeg(30, 30)(PHOTOGRAPH, dice())
    assert np.array_equal(found.permute(1, 2, 0).numpy(), oracle)
    assert Jpeg()(PHOTOGRAPH[:1], dice()).shape == (1, 96, 128)


def test_noise_has_the_strength_it_says() -> None:
    grey = torch.full((1, 200, 200), 0.5)
    found = Noise(0.05, 0.05)(grey, dice())
    assert float((found - grey).std()) == pytest.approx(0.05, rel=0.03)
    assert abs(float((found - grey).mean())) < 1e-3


def test_edges_are_lines_on_white() -> None:
    flat = torch.full((3, 40, 40), 0.3)
    assert torch.equal(Edges()(flat, dice()), torch.ones(1, 40, 40))
    step = flat.clone()
    step[:, :, 20:] = 0.9
    found = Edges()(step, dice())[0]
    assert float(found[:, 19:21].max()) == 0  # black along the step
    assert float(found[:, :12].min()) > 0.99 and float(found[:, 28:].min()) > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_dice_alone_decide_and_answers_are_pictures(name: str) -> None:
    call = pickle.loads(pickle.dumps(NAMES[name]))  # noqa: S301 (our own bytes)
    before = PHOTOGRAPH.clone()
    found = call(PHOTOGRAPH, dice(1))
    assert torch.equal(found, NAMES[name](PHOTOGRAPH, dice(1)))
    assert found.shape[1:] == PHOTOGRAPH.shape[1:] and found.dtype == torch.float32
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    assert torch.equal(PHOTOGRAPH, before)


def test_names_chain_and_are_refused() -> None:
    chain = named("blur+jpeg")
    assert isinstance(chain, Chain)
    dice_of_hand = dice(5)
    by_hand = NAMES["jpeg"](NAMES["blur"](PHOTOGRAPH, dice_of_hand), dice_of_hand)
    assert torch.equal(chain(PHOTOGRAPH, dice(5)), by_hand)
    assert named("edges", channels=3)(PHOTOGRAPH, dice()).shape[0] == 3
    with pytest.raises(OcellusError, match="no degradation 'fog'; there is grey"):
        named("blur+fog")
