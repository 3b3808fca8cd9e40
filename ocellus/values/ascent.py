"""A picture that a network itself takes for a class."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocellus.values.picture import Picture


@dataclass(frozen=True, eq=False, kw_only=True)
class Ascent:
    """The picture that climbing an answer led to.

    Args:
        picture: in 8 bits; probability and score are the network's for exactly these pixels.
        target: "class tabby": the answer.
        score: its logit.
        probability: of the class; nan where the answer is not a class.
        wanted: the probability that was asked for.
        start: the probability of the picture that it began with.
        steps: taken.
        seed: of the noise that it began with and of the jitter.
        history: (steps,) float32 probabilities on the way, of the unrounded and unshifted picture; scores
            where the answer is not a class.
        first: what the network answers first to the picture, with its probability.
        method: "class_ascent".
    """

    picture: Picture
    target: str
    score: float
    probability: float
    wanted: float
    start: float
    steps: int
    seed: int
    history: Tensor
    first: tuple[str, float] = ("", float("nan"))
    method: str = "class_ascent"

    @property
    def reached(self) -> bool:
        """Whether the network is as sure as was asked."""
        return self.probability > self.wanted

    def line(self) -> str:
        """ "class tabby: 99.3 % after 84 steps (seed 0)"; or that it was not reached."""
        if self.probability != self.probability:
            return f"{self.target}: score {self.score:.4g} after {self.steps} steps (seed {self.seed})"
        text = f"{self.target}: {100 * self.probability:.2f} % after {self.steps} steps (seed {self.seed})"
        if self.reached:
            return text
        other = "" if self.target.endswith(self.first[0]) else f", the network says {self.first[0]}"
        return f"{text}; NOT REACHED: more than {100 * self.wanted:g} % was asked{other}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        known = self.probability == self.probability
        about = {"method": self.method, "target": self.target, "score": self.score, "steps": self.steps}
        about |= {"seed": self.seed, "size": list(self.picture.size)}
        if known:
            about |= {"probability": self.probability, "wanted": self.wanted, "start": self.start}
            about |= {"reached": self.reached, "first": list(self.first)}
        return about

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes pixels, figures and the way there to a .npz file."""
        with Path(path).open("wb") as file:
            np.savez_compressed(
                file, pixels=self.picture.pixels.cpu().numpy(), history=self.history.cpu().numpy(),
                target=self.target, probability=self.probability, score=self.score, wanted=self.wanted,
                steps=self.steps, seed=self.seed,
            )  # fmt: skip

    def to(self, device: torch.device | str) -> Ascent:
        return replace(self, picture=self.picture.to(device), history=self.history.to(device))

    def __repr__(self) -> str:
        return f"Ascent({self.line()})"
