"""`ocellus explain inside MODEL IMAGE`: one picture for each inner tensor of a network, as a page."""

from __future__ import annotations

import argparse
import json
import sys

from ocellus.cli.explain import preparation_flags, preparation_of


def main(argv: list[str]) -> int:
    """Look inside a network; print what is shown, and where."""
    parser = argparse.ArgumentParser(
        prog="ocellus explain inside",
        description="One picture for each inner tensor, low level to high level.",
    )
    parser.add_argument(
        "model", help="a weights file, run folder or system; torchvision:resnet50=FILE or timm:NAME=FILE"
    )
    parser.add_argument("image", help="a picture")
    parser.add_argument("--layers", nargs="+", default=[], metavar="NAME", help="only these modules")
    parser.add_argument("--depth", type=int, default=0, help="levels of modules (default: about 40 tensors)")
    parser.add_argument("--out", default="", help="folder for the page (default: a new one in runs/)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print what is shown as JSON")
    preparation_flags(parser)
    arguments = parser.parse_args(argv)
    from ocellus.jobs.explainable import explainable
    from ocellus.jobs.inside import inside
    from ocellus.jobs.model import new_folder

    model = explainable(arguments.model, device=arguments.device, preparation=preparation_of(arguments))
    out = arguments.out or new_folder("inside", model.source)
    parts = inside(model, arguments.image, out=out, layers=arguments.layers, depth=arguments.depth)
    rows = [(part.title, tile.name, tile.shape, tile.note) for part in parts for tile in part.tiles]
    if arguments.json:
        keys = ("part", "name", "shape", "note")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], ensure_ascii=False))
    else:
        for part in parts:
            if part.tiles:
                print(f"{part.title}: {', '.join(dict.fromkeys(tile.name for tile in part.tiles))}")
    print(f"inside.html and {len(rows)} pictures in {out}", file=sys.stderr)
    return 0
