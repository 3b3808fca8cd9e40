"""`ocellus list`: the systems there are, and the weights that are shipped."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ocellus import catalog


def main(argv: list[str]) -> int:
    """Print two lines a system and one for each of its weights, or their cards as JSON."""
    parser = argparse.ArgumentParser(
        prog="ocellus list", description="The systems there are, and the weights that are shipped."
    )
    parser.add_argument("--task", default="", help="only systems for a task that holds this word")
    parser.add_argument("--json", action="store_true", help="print the cards as JSON")
    arguments = parser.parse_args(argv)
    from ocellus.jobs.shipped import shipped

    held = shipped()
    chosen = [card for card in catalog.cards() if any(arguments.task in task for task in card.task)]
    if arguments.json:
        facts = [
            asdict(card) | {"weights": [one.to_dict() for one in held if one.system == card.name]}
            for card in chosen
        ]
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return 0
    width = max((len(card.name) for card in chosen), default=0)
    for card in chosen:
        print(f"{card.name:<{width}}  {card.title}: {card.summary}")
        print(f"{'':<{width}}  {', '.join(card.task)}. {card.paper}. {card.state}")
        for one in held:
            if one.system == card.name:
                print(f"{'':<{width}}  weights: {one.line()}")
    if not chosen:
        tasks = sorted({task for card in catalog.cards() for task in card.task})
        print(f"no system is for {arguments.task!r}; there is {', '.join(tasks)}")
    return 0
