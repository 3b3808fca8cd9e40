"""`ocellus demo`: train on synthetic scenes, then look at real photographs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Draw synthetic scenes, train a small Mask R-CNN on them, measure it, and find the coins in a real
    photograph with it. Some minutes on two cores."""

    seed: int = 0
    """Seed of the scenes, the weights and the order."""
    steps: int = 900
    """Optimizer steps to train for."""
    out: str = "runs/demo"
    """Folder of the run; an earlier demonstration there makes way. The scenes lie beside it."""
    resume: bool = False
    """Go on where an interrupted demonstration in --out stopped."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the result as JSON, and everything else to standard error."""


def main(argv: list[str]) -> int:
    """Parse the flags, give the demonstration, and print its figures."""
    flags = tyro.cli(Flags, args=argv, prog="ocellus demo")
    from ocellus.jobs.demo import demo
    from ocellus.jobs.train import say_to_stderr

    say = say_to_stderr if flags.as_json else print
    result = demo(seed=flags.seed, steps=flags.steps, out=flags.out, resume=flags.resume, say=say)
    if flags.as_json:
        figures = {"coins": result.coins, "metrics": result.metrics, "seconds": result.seconds}
        places = {"report": str(result.report), "weights": str(result.weights)}
        print(json.dumps({**figures, **places}))
    else:
        print("\n".join(result.lines()))
    return 0
