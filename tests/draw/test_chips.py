"""Label chips lie inside the picture, whole, and never on one another."""

from __future__ import annotations

import random

import pytest

from ocellus.draw.chips import chip_image, chip_size, luminance, place_chips
from ocellus.draw.text import shortened, text_width
from ocellus.values.html import color


@pytest.mark.parametrize("seed", range(20))
def test_chips_are_inside_and_apart(seed: int) -> None:
    rng = random.Random(seed)
    height, width = rng.randint(40, 400), rng.randint(40, 400)
    boxes = []
    for _ in range(40):
        x, y = rng.uniform(-80, width + 20), rng.uniform(-80, height + 20)
        boxes.append((x, y, x + rng.uniform(1, 300), y + rng.uniform(1, 300)))
    texts = [rng.choice(["cup", "dining table 0.97", "a very long name of a class", "x"]) for _ in boxes]
    chips = place_chips(
        texts, boxes, [(200, 30, 30)] * 40, picture_size=(height, width), font_size=rng.randint(8, 20)
    )
    assert chips
    taken = set()
    for chip in chips:
        assert chip.left >= 0 and chip.top >= 0
        assert chip.left + chip.image.width <= width and chip.top + chip.image.height <= height
        pixels = {
            (x, y)
            for x in range(chip.left, chip.left + chip.image.width)
            for y in range(chip.top, chip.top + chip.image.height)
        }
        assert not taken & pixels
        taken |= pixels


def test_chip_sits_on_its_box_where_there_is_room() -> None:
    (chip,) = place_chips(["cup"], [(50, 60, 120, 150)], [(9, 9, 9)], picture_size=(200, 200), font_size=12)
    assert chip.left == 50 and chip.top + chip.image.height == 60


def test_first_one_gets_the_place() -> None:
    box = (0.0, 0.0, 30.0, 12.0)
    size = chip_size("first", 12)
    chips = place_chips(["first", "second"], [box, box], [(9, 9, 9)] * 2, picture_size=size, font_size=12)
    assert len(chips) == 1
    assert chips[0].image is chip_image("first", 12, (9, 9, 9))


def test_no_chip_where_not_even_one_letter_fits() -> None:
    assert not place_chips(["cup"], [(0, 0, 4, 4)], [(9, 9, 9)], picture_size=(5, 5), font_size=12)


def test_text_is_dark_on_light_and_white_on_dark_with_contrast() -> None:
    for label in range(40):
        back = luminance(color(label))
        image = chip_image("MMMM", 16, color(label))
        inks = {image.getpixel((x, y)) for x in range(image.width) for y in range(image.height)}
        ink = (16, 18, 22, 255) if back > 0.36 else (255, 255, 255, 255)
        assert ink in inks
        low, high = sorted((back, luminance(ink[:3])))
        assert (high + 0.05) / (low + 0.05) > 2.5


def test_shortened_fits_and_keeps_what_fits() -> None:
    text = "a long caption that does not fit"
    for width in (30, 60, 100):
        short = shortened(text, 14, width)
        assert text_width(short, 14) <= width and short.endswith("…")
        assert text.startswith(short[:-1])
    assert shortened("cup", 14, 400) == "cup"
    assert shortened("cup", 14, 1) == ""
