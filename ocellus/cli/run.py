"""`ocellus run MODEL SOURCE`: what a model finds in pictures or makes of them, drawn and listed."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ocellus.cli.looks import looks

WANTED = "a picture, folder, pattern, video, camera number, or - for a list on stdin; of a model that draws "
WANTED += "classes: their names, or all"
WITH_VALUE = ("--out", "--score", "--device", "--precision", "--set")


def main(argv: list[str]) -> int:
    """Run a model on pictures; print a line each, and where the drawings are."""
    parser = options()
    kind = kind_of_options(argv)
    if kind is not None:
        from ocellus.jobs.run_options import add_flags

        add_flags(parser, kind)
    arguments = parser.parse_args(argv)
    from ocellus.jobs.kinds import kind_of
    from ocellus.jobs.model import check_score, load, new_folder
    from ocellus.jobs.run import run

    check_score(arguments.score)
    model = load(
        arguments.model,
        device=arguments.device,
        precision=arguments.precision,
        settings=dict(arguments.set),
    )
    made = kind_of(model.header.system).generates
    out = None
    if not arguments.no_out:
        out = arguments.out or new_folder("made" if made else "found", model.source)
    results = run(
        model,
        arguments.source,
        out=out,
        score=arguments.score,
        maps=arguments.maps,
        uncertainty=arguments.uncertainty,
        options=None if kind is None else chosen_options(kind, arguments),
        say=tell,
    )
    for number, found in enumerate(results):
        if not number:
            tell(model.introduction())
        print(json.dumps(found.to_dict(), ensure_ascii=False) if arguments.json else found.line(), flush=True)
    if out is not None:
        tell(f"{'pictures' if made else 'drawings'} and found.jsonl in {out}")
    return 0


def options() -> argparse.ArgumentParser:
    """What the command takes, whatever the model."""
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
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", type=looks,
        help="how pictures reach the network, other than the weights say, as `ocellus info` names it: "
        "short_side=512, views=2, scales=0.75,1,1.25",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", default="auto", help="32, bf16, or auto: bf16 where it is faster")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture")
    return parser


def kind_of_options(argv: list[str]) -> type | None:
    """The `Run` of the model that the command names, whose fields are flags, too; None where it has none."""
    words = iter(argv)
    for word in words:
        if word in WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            from ocellus.jobs.run_options import run_of

            return run_of(word)
    return None


def chosen_options(kind: type, arguments: argparse.Namespace) -> Any:
    """The `Run` that the flags say."""
    from ocellus.jobs.run_options import options_from

    return options_from(kind, vars(arguments))


def tell(line: str) -> None:
    """To the person, not into a pipe."""
    print(line, file=sys.stderr)
