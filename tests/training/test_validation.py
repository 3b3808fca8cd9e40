"""What is picked to be compared, by hand."""

from __future__ import annotations

from itertools import pairwise

from ocellus.training.validation import evenly


def test_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2] and evenly(4, 4) == [0, 1, 2, 3]
    assert evenly(10, 3) == [0, 4, 7] and evenly(0, 3) == []
    chosen = evenly(1001, 500)
    assert len(set(chosen)) == 500 and chosen[0] == 0 and chosen[-1] < 1001
    assert {after - before for before, after in pairwise(chosen)} <= {2, 3}
