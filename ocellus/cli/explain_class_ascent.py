"""`ocellus explain class_ascent MODEL --target class:NAME`: a picture that the network takes for a class."""

from __future__ import annotations

import json
import sys

from ocellus.cli.explain import list_layers
from ocellus.cli.units import model_of, out_of, parsed, parser_of
from ocellus.errors import OcellusError


def main(argv: list[str]) -> int:
    """Climb; print the probability that was reached.

    Returns:
        0, also where it was not reached: the line says so.
    """
    parser = parser_of("class_ascent", "A picture that the network takes for a class.")
    parser.add_argument("image", nargs="*", help="a picture to begin with (default: grey and a little noise)")
    parser.add_argument(
        "--target", action="append", default=[], help="class:tabby, or unit:LAYER,CHANNEL; repeatable"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="one picture for each (0)")
    arguments, options = parsed(parser, "class_ascent", argv, without=("seed",))
    from ocellus.jobs.explain_units import class_ascent
    from ocellus.values import Ascent

    ready = model_of(arguments)
    if arguments.list_layers:
        return list_layers(ready, arguments.image)
    if len(arguments.image) > 1:
        raise OcellusError(
            f"{len(arguments.image)} pictures were given: the climb begins at one", exit_code=2
        )
    seeds = arguments.seeds or [arguments.seed or 0]
    out = out_of(arguments, "ascent", ready.source)

    def say(ascent: Ascent) -> None:
        shown = json.dumps(ascent.to_dict(), ensure_ascii=False) if arguments.json else ascent.line()
        print(shown, flush=True)

    picture = arguments.image[0] if arguments.image else None
    class_ascent(ready, arguments.target, picture=picture, seeds=seeds, out=out, options=options, say=say)
    if out is not None:
        print(f"a PNG and .npz each, class_ascent.png and class_ascent.json in {out}", file=sys.stderr)
    return 0
