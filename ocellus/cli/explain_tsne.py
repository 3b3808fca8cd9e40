"""`ocellus explain tsne [MODEL] PICTURES...`: pictures in a plane, those that are alike near each other."""

from __future__ import annotations

import argparse
import json
import sys

from ocellus.cli.explain import method_flags, preparation_flags, preparation_of

USAGE = """ocellus explain tsne DATABASE
       ocellus explain tsne MODEL PICTURES..."""


def main(argv: list[str]) -> int:
    """Lay pictures out in a plane; print what there is, and where it is drawn."""
    parser = argparse.ArgumentParser(
        prog="ocellus explain tsne",
        usage=USAGE,
        description="Pictures in a plane, those that a network finds alike near each other.",
    )
    parser.add_argument("first", metavar="model", help="a model as everywhere; or a database of features")
    parser.add_argument(
        "pictures", nargs="*", help="folders, pictures, a folder for each class, a table of classes"
    )
    parser.add_argument("--layer", default="", help="whose features (default: the last that has maps)")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each source, evenly spaced (all)")
    parser.add_argument("--out", default="", help="folder for tsne.png and tsne.npz (default: one in runs/)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print the points as JSON, a line a picture")
    preparation_flags(parser)
    from ocellus import catalog

    names = method_flags(parser, [catalog.system("explain/tsne").Config()])
    arguments = parser.parse_intermixed_args(argv)
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    from ocellus.jobs.model import new_folder
    from ocellus.jobs.tsne import tsne

    model = arguments.first if arguments.pictures else None
    source = arguments.pictures or [arguments.first]
    out = arguments.out or new_folder("tsne", source[0])
    found = tsne(
        source,
        model,
        layer=arguments.layer,
        limit=arguments.limit,
        out=out,
        options=options,
        preparation=preparation_of(arguments),
        device=arguments.device,
        say=lambda line: print(line, file=sys.stderr),
    )
    if arguments.json:
        for path, label, point in zip(found.paths, found.labels, found.points.tolist(), strict=True):
            print(json.dumps({"path": path, "label": label, "point": point}, ensure_ascii=False))
    else:
        labels = f" of {len(found.names)} labels" if found.names else ""
        print(f"{len(found)} pictures{labels}; divergence {found.divergence:.3f}")
    print(f"tsne.png and tsne.npz in {out}", file=sys.stderr)
    return 0
