"""The pool of made pictures, and what is left out of a step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ocellus.training.adversarial import frozen
from ocellus.training.image_pool import ImagePool


def numbered(start: int, count: int = 1) -> torch.Tensor:
    """Pictures whose every pixel is their number."""
    return torch.arange(start, start + count, dtype=torch.float32)[:, None, None, None].expand(count, 1, 2, 2)


def test_pool_fills_up_first() -> None:
    pool = ImagePool(4)
    for start in (0, 2):
        assert torch.equal(pool.query(numbered(start, 2)), numbered(start, 2))
    assert [float(image[0, 0, 0]) for image in pool.held] == [0, 1, 2, 3]


def test_pool_gives_old_pictures_half_of_the_time_each_as_often() -> None:
    torch.manual_seed(0)
    pool, given, old, places = ImagePool(10), 4000, 0, torch.zeros(10)
    pool.query(numbered(0, 10))
    for number in range(10, 10 + given):
        before = [float(image[0, 0, 0]) for image in pool.held]
        out = float(pool.query(numbered(number))[0, 0, 0, 0])
        if out != number:
            old += 1
            assert out in before and out not in [float(image[0, 0, 0]) for image in pool.held]
            places[before.index(out)] += 1
        else:
            assert before == [float(image[0, 0, 0]) for image in pool.held]
    # Binomial: 4000 throws of 1/2 deviate by 32, 200 of each place by about 13.
    assert abs(old - given / 2) < 4 * 32
    assert (places - old / 10).abs().max() < 4 * 14


def test_pool_s_state_is_all_of_it() -> None:
    torch.manual_seed(0)
    one, other = ImagePool(3), ImagePool(3)
    one.query(numbered(0, 5))
    other.load_state_dict(one.state_dict())
    dice = torch.get_rng_state()
    first = [one.query(numbered(5 + n)) for n in range(20)]
    torch.set_rng_state(dice)
    second = [other.query(numbered(5 + n)) for n in range(20)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    empty = ImagePool(3)
    empty.load_state_dict(ImagePool(3).state_dict())
    assert empty.held == []


def test_pool_keeps_pictures_of_any_size_one_at_a_time(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = ImagePool(2), ImagePool(2)
    for number in range(12):
        one.query(torch.full((1, 3, 4 + number % 3, 5), float(number)))
    torch.save(one.state_dict(), tmp_path / "pool.pt")
    other.load_state_dict(torch.load(tmp_path / "pool.pt", weights_only=True))
    assert all(torch.equal(a, b) for a, b in zip(one.held, other.held, strict=True))


def test_pool_passes_no_gradient_and_of_size_0_everything() -> None:
    images = numbered(0, 3).clone().requires_grad_()
    for size in (0, 2):
        assert not ImagePool(size).query(images * 2).requires_grad
    assert torch.equal(ImagePool(0).query(images), images)


def test_pool_keeps_copies() -> None:
    pool, images = ImagePool(1), numbered(0).clone()
    pool.query(images)
    images += 5
    assert float(pool.held[0][0, 0, 0]) == 0


def test_frozen_takes_no_gradient_and_lets_it_through() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 1)
    second.bias.requires_grad_(False)
    with frozen(second):
        second(first(torch.rand(2, 3))).sum().backward()
    assert first.weight.grad is not None and first.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in second.parameters())
    assert second.weight.requires_grad and not second.bias.requires_grad
    with pytest.raises(RuntimeError), frozen(first):
        raise RuntimeError
    assert first.weight.requires_grad
