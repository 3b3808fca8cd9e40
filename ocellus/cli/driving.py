"""`ocellus driving MODEL VIDEO`: a video of the road in the colors of its classes."""

from __future__ import annotations

import argparse
import json
import sys


def main(argv: list[str]) -> int:
    """Make the video; print what is in it and how fast it went."""
    parser = argparse.ArgumentParser(
        prog="ocellus driving",
        description="A video in the colors of its classes, with a bar of their shares.",
    )
    parser.add_argument("model", help="a model that gives every pixel a class: a file or a run folder")
    parser.add_argument("source", metavar="VIDEO", help="a video file")
    parser.add_argument("--out", default="", help="folder or .mp4 to write (default: a new folder in runs/)")
    parser.add_argument(
        "--window", type=int, default=5, help="frames that vote on a pixel's class (5; 1: none; 254 at most)"
    )
    parser.add_argument("--fill", type=float, default=0.5, help="opacity of the colors, 0 to 1 (0.5)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    from ocellus.jobs.driving import driving
    from ocellus.jobs.model import load, new_folder

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    model = load(arguments.model, device=arguments.device, precision=arguments.precision)
    tell(model.introduction())
    result = driving(
        model,
        arguments.source,
        out=arguments.out or new_folder("driving", model.source),
        window=arguments.window,
        fill=arguments.fill,
        say=tell,
    )
    print(json.dumps(result.to_dict(), ensure_ascii=False) if arguments.json else result.line())
    return 0
