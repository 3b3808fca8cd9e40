"""Which pictures make which batch."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as some

from ocellus.training.sampler import Keys, steps_of, validates
from ocellus.training.settings import Fit


def keys(count: int, *, batches: int, size: int, rank: int = 0, world: int = 1, first: int = 0) -> list[list]:
    sampler = Keys(count, batch_size=size, seed=3, first=first, last=batches, rank=rank, world=world)
    rows = list(sampler)
    assert len(sampler) == len(rows)
    return rows


@given(some.integers(1, 30), some.integers(1, 7))
def test_every_epoch_is_a_permutation(count: int, size: int) -> None:
    row = list(itertools.chain(*keys(count, batches=3 * count, size=size)))
    for epoch in range(3):
        part = row[epoch * count : (epoch + 1) * count]
        assert sorted(part) == [(epoch, index) for index in range(count)]


def test_epochs_differ_and_seeds_differ() -> None:
    row = list(itertools.chain(*keys(50, batches=100, size=1)))
    assert [index for _, index in row[:50]] != [index for _, index in row[50:]]
    other = list(Keys(50, batch_size=1, seed=4, first=0, last=50))
    assert other != keys(50, batches=50, size=1)


@given(some.integers(1, 20), some.integers(1, 4), some.integers(0, 15))
def test_any_batch_can_be_looked_up(count: int, size: int, first: int) -> None:
    assert keys(count, batches=16, size=size)[first:] == keys(count, batches=16, size=size, first=first)


@given(some.integers(1, 20), some.integers(1, 4), some.integers(2, 4))
def test_processes_see_what_one_would(count: int, size: int, world: int) -> None:
    parts = [keys(count, batches=8, size=size, rank=rank, world=world) for rank in range(world)]
    together = [list(itertools.chain(*batches)) for batches in zip(*parts, strict=True)]
    assert together == keys(count, batches=8, size=size * world)


def test_steps() -> None:
    assert steps_of(Fit(steps=7, epochs=100), count=10, world=1) == 7
    assert steps_of(Fit(epochs=3, batch_size=4), count=10, world=1) == 8  # 30 pictures
    assert steps_of(Fit(epochs=3, batch_size=4, accumulate=2), count=10, world=2) == 2
    assert steps_of(Fit(epochs=0.01), count=1, world=1) == 1


def test_when_to_validate() -> None:
    def after(settings: Fit, steps: int, count: int, world: int = 1) -> list[int]:
        options = {"settings": settings, "steps": steps, "count": count, "world": world}
        return [step for step in range(steps + 1) if validates(step, **options)]

    assert after(Fit(validate_every=4), 10, 5) == [4, 8, 10]
    assert after(Fit(batch_size=4), 8, 10) == [3, 5, 8]  # 10, 20 and 30 of 4, 8, 12, ... pictures
    assert after(Fit(batch_size=4, accumulate=2), 4, 10, 2) == [1, 2, 3, 4]
    assert after(Fit(batch_size=1), 3, 100) == [3]
