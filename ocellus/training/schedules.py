"""How the learning rate goes over a run: a function of the step, so that there is no state to lose."""

from __future__ import annotations

import math

from ocellus.training.settings import Fit

START = 1e-3  # share of the peak that the warm-up begins with (torchvision's and detectron2's 0.001)
DROPS = (2 / 3, 8 / 9)  # of the run: 60k and 80k of 90k iterations (He 2017, arXiv:1703.06870, section 3.1)


def rate(step: int, *, steps: int, settings: Fit) -> float:
    """The learning rate of a step as a share of its peak.

    Args:
        step: 0 for the first.
        steps: of the whole run.
        settings: schedule and warmup_steps.

    Returns:
        A share in [0, 1]. The warm-up multiplies the schedule and rises linearly to 1. A run shorter than its
        warm-up never reaches the peak.
    """
    warmup = 1.0
    if step < settings.warmup_steps:
        warmup = START + (1 - START) * step / settings.warmup_steps
    if settings.schedule == "cosine":
        begin = min(settings.warmup_steps, steps)
        share = max(step - begin, 0) / max(steps - begin, 1)
        return warmup * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    if settings.schedule == "multistep":
        return warmup * 0.1 ** sum(step >= drop * steps for drop in DROPS)
    if settings.schedule == "linear":
        begin = steps // 2
        return warmup * (1 - max(step - begin, 0) / max(steps - begin, 1))
    return warmup
