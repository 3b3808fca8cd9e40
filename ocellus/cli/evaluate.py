"""`ocellus evaluate MODEL DATA`: average precision, mean IoU or accuracy, and a page with pictures."""

from __future__ import annotations

import argparse
import json
import sys
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from ocellus.cli.figures import for_json
from ocellus.cli.looks import looks

if TYPE_CHECKING:
    from ocellus.jobs.evaluate import Evaluated
    from ocellus.jobs.model import Model

MOST_FIGURES = 120
"""That are printed; above, those of single classes are left to the report."""


def main(argv: list[str]) -> int:
    """Measure a model on a data set; print the figures and where the report is."""
    arguments = options().parse_args(argv)
    from ocellus.jobs.evaluate import evaluate
    from ocellus.jobs.model import load, new_folder

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    model = load(
        arguments.model,
        device=arguments.device,
        precision=arguments.precision,
        settings=dict(arguments.set),
    )
    own = Path(arguments.model) if Path(arguments.model).is_dir() else new_folder("evaluation", model.source)
    result = evaluate(
        model,
        arguments.data,
        split=arguments.split,
        out=arguments.out or own,
        score=arguments.score,
        limit=arguments.limit,
        boundaries=arguments.boundaries,
        cells=arguments.cells,
        say=tell,
    )
    if arguments.json:
        numbers, found = for_json(result.metrics), result.found
        facts = {"pictures": found.pictures, "seconds": round(found.seconds, 2), "precision": model.precision}
        print(json.dumps(facts | {"metrics": numbers, "report": str(result.report)}, ensure_ascii=False))
    else:
        show(result, model)
    return 0


def options() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="ocellus evaluate", description="Measure a model on a data set.")
    parser.add_argument("model", help="a weights file, a run folder, or a system whose weights are shipped")
    parser.add_argument("data", help="a data set in any format that `ocellus check` reads")
    parser.add_argument("--split", default="val", help="the split to measure on (val), or all")
    parser.add_argument(
        "--out", default="", help="folder for the report (default: the run's own, else a new one in runs/)"
    )
    parser.add_argument(
        "--score", type=float, default=0.5, help="score from which detections are drawn and counted (0.5)"
    )
    parser.add_argument(
        "--boundaries", action="store_true", help="of classes of pixels, measure boundary IoU too (slower)"
    )
    parser.add_argument(
        "--cells", default="", help="of membranes: the class of the cells between them, for the Rand score"
    )
    parser.add_argument("--limit", type=int, default=0, help="only so many pictures (0: all)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", type=looks,
        help="how pictures reach the network, other than the weights say, as `ocellus info` names it: "
        "short_side=512, views=2, scales=0.75,1,1.25",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    return parser


def show(result: Evaluated, model: Model) -> None:
    """Print the figures, and where the report is."""
    from ocellus.report.measures import overall

    found, figures = result.found, result.metrics
    print(
        f"{model.header.system} on {found.data}/{found.split}: {found.pictures} pictures, "
        f"{found.seconds / found.pictures:.2f} s each, precision {model.precision}"
    )
    if len(figures) > MOST_FIGURES:
        figures = overall(figures)
    for name, value in figures.items():
        nothing = found.reasons.get(name, "nothing to measure")
        print(f"  {name:<40}{nothing if isnan(value) else f'{value:.4f}'}")
    if len(figures) < len(result.metrics):
        print(
            f"  {len(result.metrics) - len(figures)} figures of single classes are in the report and --json"
        )
    print(f"report  {result.report}")
