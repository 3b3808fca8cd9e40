"""Pictures made of a subject and a background: no halo, no spill, bad options refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from taught import scene, taught
from torch import Tensor
from torch.nn import functional as F

from ocellus.errors import OcellusError
from ocellus.imagine.portrait import compose, generate, refine
from ocellus.imagine.portrait.inference import blend, filling
from ocellus.values import Picture

SIDE = 240


def disc(*, soft: float = 6.0) -> Tensor:
    """(SIDE, SIDE) alpha."""
    places = torch.arange(SIDE) + 0.5 - SIDE / 2
    return ((60 - torch.hypot(places[:, None], places)) / soft + 0.5).clamp(0, 1)


def composite(alpha: Tensor, front: tuple[int, int, int], back: tuple[int, int, int]) -> Picture:
    first, second = (torch.tensor(color, dtype=torch.float32)[:, None, None] for color in (front, back))
    return Picture(pixels=(alpha * first + (1 - alpha) * second).round().to(torch.uint8), path="made.png")


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_white_subject_on_dark_ground_has_no_halo(scale: float) -> None:
    alpha = disc()
    picture = composite(alpha, (255, 255, 255), (20, 24, 30))
    made = compose(picture, alpha, mode="blur", strength=4, scale=scale)
    around = F.max_pool2d((alpha > 0).float()[None], 7, 1, 3)[0] == 0  # outside, and not the edge itself
    assert int(made.pixels[:, around].max()) <= 34
    assert int(made.pixels[:, alpha == 1].min()) >= (255 if scale == 1 else 230)
    plain = F.avg_pool2d(picture.pixels[None].float(), 25, 1, 12, count_include_pad=False)[0]
    assert float(plain[:, around].max()) > 70  # what a blur of the whole picture puts there


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_replaced_background_brings_no_green_along(scale: float) -> None:
    alpha = disc(soft=12)
    picture = composite(alpha, (200, 120, 100), (20, 200, 40))
    wanted = composite(alpha, (200, 120, 100), (240, 240, 240)).pixels.float()
    clean = compose(picture, alpha, mode="replace", background=(240, 240, 240), scale=scale).pixels.float()
    plain = compose(picture, alpha, mode="replace", background=(240, 240, 240), spill=0.0).pixels.float()
    edge = (alpha > 0.05) & (alpha < 0.95)
    errors = [float((found - wanted).abs()[:, edge].mean()) for found in (clean, plain)]
    assert errors[1] > 12 and errors[0] < 0.25 * errors[1], errors


def test_cutout_is_soft_and_in_the_subjects_colors() -> None:
    alpha = disc(soft=12)
    made = compose(composite(alpha, (200, 120, 100), (20, 200, 40)), alpha)
    assert made.channels is not None and made.channels.shape == (4, SIDE, SIDE) and made.path == "made.png"
    torch.testing.assert_close(made.channels[3], alpha)
    seen = alpha > 0.1
    own = torch.tensor([200.0, 120.0, 100.0])[:, None] / 255
    assert float((made.channels[:3][:, seen] - own).abs().mean()) < 0.01
    assert (made.pixels[:, alpha == 0] == 255).all()  # shown over white


def test_strength_and_depth() -> None:
    torch.manual_seed(0)
    noisy = Picture(pixels=torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8))
    nothing = torch.zeros(SIDE, SIDE)
    rough = [
        float(compose(noisy, nothing, mode="blur", strength=strength).pixels.float().std())
        for strength in (0, 0.5, 2)
    ]
    assert rough[0] == float(noisy.pixels.float().std()) and rough[0] > 2 * rough[1] > 2 * rough[2]
    alpha = torch.zeros(SIDE, SIDE)
    alpha[120:, 100:140] = 1
    made = compose(noisy, alpha, mode="blur", strength=2, depth=True).pixels.float()
    feet, sky = made[:, 220:, 60:90].std(), made[:, :30].std()
    assert float(sky) < 0.6 * float(feet)


def test_background_picture_fills_the_frame() -> None:
    pixels = torch.zeros(3, 40, 100, dtype=torch.uint8)
    pixels[0, :, 40:60] = 255  # a red bar in the middle
    found = filling(Picture(pixels=pixels), (80, 80))
    assert found.shape == (3, 80, 80) and int(found[0, :, 30:50].min()) > 200
    assert int(found[0, :, :15].max()) == 0 == int(found[0, :, 65:].max())
    assert filling((1, 2, 3), (4, 5)).tolist()[2][3][4] == 3


def test_blend_is_exact_at_both_ends_and_within_two_levels() -> None:
    torch.manual_seed(0)
    front, back = torch.randint(0, 256, (2, 3, 50, 50), dtype=torch.uint8)
    alpha = torch.rand(1, 50, 50)
    wanted = alpha * front + (1 - alpha) * back
    assert float((blend(front, back, alpha) - wanted).abs().max()) <= 2
    assert torch.equal(blend(front, back, torch.ones(1, 50, 50)), front)
    assert torch.equal(blend(front, back, torch.zeros(1, 50, 50)), back)


def test_a_taught_network_makes_pictures() -> None:
    pixels, labels = scene()
    network = taught([(pixels, labels)], classes=2)
    picture = Picture(pixels=pixels)
    cut = generate(network, picture)
    assert cut.channels is not None
    assert float((cut.channels[3] - labels).abs().mean()) < 0.03
    before = generate(network, picture, mode="replace", background=(0, 177, 64))
    assert before.pixels[:, 2, 2].tolist() == [0, 177, 64]
    assert (before.pixels[:, 40, 48].int() - pixels[:, 40, 48].int()).abs().max() <= 2


def test_refined_at_a_share_of_the_size() -> None:
    pixels, labels = scene(height=200, width=300, x=150, radius=60)
    coarse = F.avg_pool2d(labels[None, None].float(), 8)[0, 0]
    for scale, size in ((1.0, (200, 300)), (0.5, (100, 150))):
        alpha = refine(Picture(pixels=pixels), coarse, scale=scale)
        assert alpha.shape == size
        truth = F.avg_pool2d(labels[None, None].float(), round(1 / scale))[0, 0]
        plain = F.interpolate(coarse[None, None], size=size, mode="bilinear")[0, 0]
        assert float((alpha - truth).abs().mean()) < 0.6 * float((plain - truth).abs().mean())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "sepia"}, "there is cutout, blur, replace"),
        ({"mode": "replace"}, "give one"),
        ({"mode": "blur", "background": (0, 0, 0)}, "takes no background"),
        ({"mode": "blur", "strength": -1}, "strength -1"),
        ({"mode": "blur", "strength": float("nan")}, "strength nan"),
        ({"spill": 1.5}, "spill 1.5"),
        ({"scale": 0.0}, "scale 0"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OcellusError, match=says) as caught:
        compose(composite(disc(), (1, 2, 3), (4, 5, 6)), disc(), **options)
    assert caught.value.exit_code == 2
