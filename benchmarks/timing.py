"""Two ways of doing one thing, timed in turn, so that a busy machine slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How long each took, and how many times faster ours was in each turn."""

    ours: float
    """Median seconds."""
    peer: float
    """Median seconds."""
    median: float
    """Of peer / ours over the turns, as are the lowest and highest."""
    lowest: float
    highest: float

    def __str__(self) -> str:
        return (
            f"{self.median:6.2f} x ({self.lowest:.2f} to {self.highest:.2f})   "
            f"ours {1e3 * self.ours:8.2f} ms   peer {1e3 * self.peer:8.2f} ms"
        )


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    ours: Callable[[], object], peer: Callable[[], object], *, turns: int = 9, warm_up: int = 2
) -> Ratio:
    """Times both in turn: ours, peer, ours, peer, ...

    Args:
        ours: takes no arguments; what it returns is dropped inside the timing.
        peer: likewise.
        turns: pairs that count.
        warm_up: pairs before them that do not (memory is mapped, threads start, kernels are made).

    Returns:
        Median times, and the median and range of the ratio within a pair.
    """
    pairs = [(seconds(ours), seconds(peer)) for _ in range(warm_up + turns)][warm_up:]
    ratios = [peer_time / our_time for our_time, peer_time in pairs]
    return Ratio(
        ours=statistics.median(pair[0] for pair in pairs),
        peer=statistics.median(pair[1] for pair in pairs),
        median=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )
