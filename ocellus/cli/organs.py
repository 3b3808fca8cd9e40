"""`ocellus organs MODEL SOURCE`: lungs and heart of chest X-rays, measured. Not a medical device."""

from __future__ import annotations

import argparse
import json
import sys


def main(argv: list[str]) -> int:
    """Measure X-rays; print a line each, and each time that this is no medical device."""
    parser = argparse.ArgumentParser(
        prog="ocellus organs",
        description="Lungs and heart of chest X-rays: areas, cardiothoracic ratio. Not a medical device.",
    )
    parser.add_argument("model", help="a model of lungs and heart: a weights file or a run folder")
    parser.add_argument("source", nargs="+", help="pictures, folders or patterns")
    parser.add_argument("--out", default="", help="folder for the drawings (default: a new one in runs/)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture")
    arguments = parser.parse_args(argv)
    from ocellus.jobs.model import load, new_folder
    from ocellus.jobs.organs import NOTICE, organs

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    model = load(arguments.model, device=arguments.device, precision=arguments.precision)
    tell(model.introduction())
    out = arguments.out or new_folder("organs", model.source)
    for one in organs(model, arguments.source, out=out, say=tell):
        print(json.dumps(one.to_dict(), ensure_ascii=False) if arguments.json else one.line(), flush=True)
    tell(f"drawings in {out}; this is {NOTICE}")
    return 0
