"""Class ascent's settings. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """How the picture is climbed, and what keeps it smooth."""

    sure: float = 0.99
    """The climb ends when the network's probability for the picture, in 8 bits, is above this."""
    steps: int = 256
    """Steps at most."""
    least: int = 64
    """Steps at least: a class is often reached long before it can be seen."""
    rate: float = 0.02
    """Length of a step: how far a pixel goes, of the way from black to white (Adam's learning rate)."""
    objective: str = "auto"
    """score: the class's logit (the paper's choice); probability: its logarithm, which also pushes the other
    classes down and is surer to end above `sure`; auto: the score, then the probability where that does not
    get there in half of the steps."""
    decay: float = 0.5
    """Weight of the picture's L2 norm around grey, lambda of the paper's equation; against a gradient whose
    mean square is 1."""
    variation: float = 4.0
    """Weight of the total variation, half the sum of the squared differences of neighbouring pixels; against
    a gradient whose mean square is 1."""
    blur: float = 0.5
    """Standard deviation in pixels of the Gaussian that smooths the picture every `blur_every` steps; 0:
    none."""
    blur_every: int = 8
    """Steps between two blurs; the last quarter of the steps has none."""
    jitter: int = 8
    """The picture is shifted by up to so many pixels before each step, and back after it; 0: not."""
    noise: float = 0.05
    """Standard deviation of the noise that the grey picture begins with, of the way from black to white."""
    size: int = 0
    """Pixels of the picture's sides; 0: what the network looks at."""
    seed: int = 0
    """Of the noise and the shifts; the same seed gives the same picture."""
