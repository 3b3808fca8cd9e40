"""Which pictures make which batch: an endless order over epochs that any batch can be looked up in."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from ocellus.training.settings import Fit

Key = tuple[int, int]
"""(epoch, index of the picture): augmentation depends on these and the seed alone."""


class Keys(Sampler[list[Key]]):
    """The keys of each batch of one process, from batch `first` to before batch `last`.

    The epochs' shuffled orders follow each other without a gap and batches are cut from that row, so that
    every batch is full. Of each global batch, a process takes its own part: together, processes see what one
    process with a batch as large as all of theirs would see.

    Args:
        count: number of pictures.
        batch_size: pictures in a batch of one process.
        seed: of the orders.
        first, last: range of batch numbers, counted from the start of the run.
        rank, world: which process this is, of how many.
    """

    def __init__(
        self,
        count: int,
        *,
        batch_size: int,
        seed: int,
        first: int,
        last: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.batches = range(first, last)
        self.rank = rank
        self.world = world
        self._orders: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.batches:
            begin = (batch * self.world + self.rank) * self.batch_size
            yield [self.key(place) for place in range(begin, begin + self.batch_size)]

    def key(self, place: int) -> Key:
        """What stands at a place of the endless order."""
        epoch, offset = divmod(place, self.count)
        if epoch not in self._orders:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count).tolist()
            self._orders = {other: self._orders[other] for other in self._orders if other >= epoch - 1}
            self._orders[epoch] = order
        return epoch, self._orders[epoch][offset]


def steps_of(settings: Fit, *, count: int, world: int) -> int:
    """Optimizer steps of a whole run over `count` pictures with `world` processes."""
    if settings.steps:
        return settings.steps
    return max(1, math.ceil(settings.epochs * count / pictures_of_step(settings, world=world)))


def pictures_of_step(settings: Fit, *, world: int) -> int:
    """Pictures that one optimizer step sees, over all processes."""
    return settings.batch_size * settings.accumulate * world


def validates(step: int, *, settings: Fit, steps: int, count: int, world: int) -> bool:
    """Whether a validation follows a step: every so many, or where an epoch ends, and after the last."""
    if step == 0 or step >= steps:
        return step > 0
    if settings.validate_every:
        return step % settings.validate_every == 0
    pictures = pictures_of_step(settings, world=world)
    return step * pictures // count > (step - 1) * pictures // count
