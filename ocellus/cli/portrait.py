"""`ocellus portrait MODEL SOURCE`: cut people out, blur what is behind them, or put them elsewhere."""

from __future__ import annotations

import argparse
import json
import sys


def main(argv: list[str]) -> int:
    """Make pictures and videos; print a line each."""
    parser = argparse.ArgumentParser(
        prog="ocellus portrait", description="Cut a subject out, blur its background, or replace it."
    )
    parser.add_argument("model", help="a model with masks: a file, a run folder, or imagine/portrait")
    parser.add_argument("source", nargs="+", help="pictures, videos, folders or patterns")
    parser.add_argument(
        "--mode", choices=("cutout", "blur", "replace"), help="cutout, or replace where --background is given"
    )
    parser.add_argument("--background", default="", help="a picture's file, or a color: white, #00b140")
    parser.add_argument("--subject", default="", help="a class of the model (person, or its only one)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the blur, 0 to 10 (1)")
    parser.add_argument("--depth", action="store_true", help="the blur grows away from the subject and up")
    parser.add_argument(
        "--spill", type=float, help="how much of the old background's color to take out of the edge, 0 to 1"
    )
    parser.add_argument("--no-smooth", action="store_true", help="of videos: every frame for itself")
    parser.add_argument("--score", type=float, default=0.5, help="leave out objects below it (0.5)")
    parser.add_argument("--out", default="", help="folder or file to write (default: a new folder in runs/)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture or video")
    arguments = parser.parse_args(argv)
    from ocellus.jobs.model import load, new_folder
    from ocellus.jobs.portrait import Look, portrait
    from ocellus.jobs.portrait_files import parse_background

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    background = parse_background(arguments.background) if arguments.background else None
    look = Look(
        mode=arguments.mode or ("cutout" if background is None else "replace"),
        background=background,
        strength=arguments.strength,
        spill=arguments.spill,
        depth=arguments.depth,
    )
    model = load(arguments.model, device=arguments.device, precision=arguments.precision)
    tell(model.introduction())
    results = portrait(
        model,
        arguments.source,
        look=look,
        subject=arguments.subject,
        out=arguments.out or new_folder("portrait", model.source),
        smooth=not arguments.no_smooth,
        score=arguments.score,
        say=tell,
    )
    for one in results:
        print(json.dumps(one.to_dict(), ensure_ascii=False) if arguments.json else one.line(), flush=True)
    return 0
