"""`ocellus run MODEL SOURCE`: what a model finds in pictures, drawn and listed."""

from __future__ import annotations

import argparse
import json
import sys

WANTED = "a picture, folder, pattern, video, camera number, or - for a list on stdin"


def main(argv: list[str]) -> int:
    """Run a model on pictures; print a line each, and where the drawings are."""
    parser = argparse.ArgumentParser(prog="ocellus run", description="Use a model on pictures.")
    parser.add_argument("model", help="a weights file, a run folder, or a system whose weights are shipped")
    parser.add_argument("source", nargs="+", help=WANTED)
    parser.add_argument("--out", default="", help="folder for the drawings (default: a new one in runs/)")
    parser.add_argument("--no-out", action="store_true", help="write nothing")
    parser.add_argument("--score", type=float, default=0.5, help="leave out detections below it (0.5)")
    parser.add_argument(
        "--maps", action="store_true", help="of a class for every pixel, label maps too (PNG)"
    )
    parser.add_argument(
        "--uncertainty", action="store_true", help="maps of what the network is unsure of, too"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture")
    arguments = parser.parse_args(argv)
    from ocellus.jobs.model import check_score, load, new_folder
    from ocellus.jobs.run import run

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    check_score(arguments.score)
    model = load(arguments.model, device=arguments.device, precision=arguments.precision)
    out = None if arguments.no_out else arguments.out or new_folder("found", model.source)
    results = run(
        model,
        arguments.source,
        out=out,
        score=arguments.score,
        maps=arguments.maps,
        uncertainty=arguments.uncertainty,
        say=tell,
    )
    for number, found in enumerate(results):
        if not number:
            tell(model.introduction())
        print(json.dumps(found.to_dict(), ensure_ascii=False) if arguments.json else found.line(), flush=True)
    if out is not None:
        tell(f"drawings and found.jsonl in {out}")
    return 0
