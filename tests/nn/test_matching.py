"""Which object an anchor or a proposal learns: hand-computed cases."""

from __future__ import annotations

import torch

from ocellus.nn.matching import BACKGROUND, IGNORED, balanced, match

OBJECTS = torch.tensor([[0.0, 0, 10, 10], [20.0, 0, 30, 10], [50.0, 0, 90, 40]])
NO_CROWD = torch.zeros(3, dtype=torch.bool)


def test_thresholds_by_hand() -> None:
    references = torch.tensor(
        [
            [0.0, 0, 10, 10],  # the first object itself
            [0.0, 0, 10, 20],  # overlap 0.5: neither
            [0.0, 0, 10, 50],  # 0.2: background
            [100.0, 100, 110, 110],  # nothing
        ]
    )
    found = match(references, OBJECTS, crowd=NO_CROWD, high=0.7, low=0.3)
    assert found.tolist() == [0, IGNORED, BACKGROUND, BACKGROUND]


def test_best_anchor_of_an_object_is_a_match_however_small() -> None:
    references = torch.tensor([[0.0, 0, 10, 100], [20.0, 0, 30, 100], [20.0, 0, 30, 50]])
    found = match(references, OBJECTS, crowd=NO_CROWD, high=0.7, low=0.3, best=True)
    # The third object meets no reference: its best overlap is 0, and nothing is matched to it.
    assert found.tolist() == [0, BACKGROUND, 1]


def test_crowds_are_neither() -> None:
    crowd = torch.tensor([False, False, True])
    references = torch.tensor([[50.0, 0, 90, 40], [60.0, 10, 70, 20], [85.0, 0, 105, 10], [20.0, 0, 30, 10]])
    found = match(references, OBJECTS, crowd=crowd, high=0.7, low=0.3, best=True)
    # The crowd's own box and a box inside it are ignored; one with a quarter in it is background.
    assert found.tolist() == [IGNORED, IGNORED, BACKGROUND, 1]


def test_an_object_inside_a_crowd_is_still_one() -> None:
    objects = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 100, 100]])
    found = match(objects, objects, crowd=torch.tensor([False, True]), high=0.5, low=0.5)
    assert found.tolist() == [0, IGNORED]


def test_no_objects() -> None:
    found = match(OBJECTS, OBJECTS[:0], crowd=NO_CROWD[:0], high=0.7, low=0.3, best=True)
    assert found.tolist() == [BACKGROUND] * 3


def test_balanced_choice() -> None:
    matches = torch.tensor([0, 1, 2, 3] + [BACKGROUND] * 10 + [IGNORED] * 10)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        chosen = balanced(matches, count=8, positive=0.25, generator=generator)
        assert len(chosen) == len(chosen.unique()) == 8
        assert (matches[chosen] >= 0).tolist() == [True] * 2 + [False] * 6
        assert (matches[chosen] != IGNORED).all()
    few = balanced(matches[:5], count=8, positive=0.25)
    assert (matches[few] >= 0).sum() == 2 and len(few) == 3
