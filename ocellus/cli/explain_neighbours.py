"""`ocellus explain neighbours MODEL STORED IMAGE...`: the stored pictures that a network finds most alike."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ocellus.cli.explain import method_flags, preparation_flags, preparation_of

MODEL = "a weights file, run folder or system; torchvision:resnet50=FILE or timm:NAME=FILE"
USAGE = """ocellus explain neighbours MODEL STORED IMAGE...
       ocellus explain neighbours store MODEL DATABASE PICTURES...
       ocellus explain neighbours check DATABASE
       ocellus explain neighbours repair DATABASE"""


def main(argv: list[str]) -> int:
    """Ask a database, or store, check or repair one."""
    commands = {"store": store, "check": check, "repair": repair}
    if argv and argv[0] in commands:
        return commands[argv[0]](argv[1:])
    return ask(argv)


def ask(argv: list[str]) -> int:
    """Print the neighbours of pictures, and where the contact sheet is."""
    parser = argparse.ArgumentParser(
        prog="ocellus explain neighbours",
        usage=USAGE,
        description="Which stored pictures does a network find most like a picture?",
    )
    parser.add_argument("model", help=MODEL)
    parser.add_argument("stored", help="a database, or a folder of pictures to look among")
    parser.add_argument("image", nargs="+", help="pictures, folders, patterns, videos, a camera's number")
    parser.add_argument("--layer", default="", help="whose features (default: the database's, or the last)")
    parser.add_argument("--out", default="", help="folder for the sheet (default: a new one in runs/)")
    parser.add_argument("--no-out", action="store_true", help="write nothing")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture")
    preparation_flags(parser)
    from ocellus import catalog

    names = method_flags(parser, [catalog.system("explain/neighbours").Config()])
    arguments = parser.parse_intermixed_args(argv)
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    from ocellus.jobs.explainable import explainable
    from ocellus.jobs.model import new_folder
    from ocellus.jobs.neighbours import neighbours, to_dict

    preparation = preparation_of(arguments)
    model = explainable(arguments.model, device=arguments.device, preparation=preparation)
    out = None if arguments.no_out else arguments.out or new_folder("neighbours", model.source)
    for found in neighbours(
        model, arguments.stored, arguments.image, layer=arguments.layer, out=out, options=options, say=tell
    ):
        if arguments.json:
            print(json.dumps(to_dict(found), ensure_ascii=False), flush=True)
            continue
        name = found.picture.path if found.picture is not None else "picture"
        vote = f": {found.vote()}" if found.vote() else ""
        near = [
            f"{Path(path).name} {label} {found.figure(index)}".replace("  ", " ")
            for index, (path, label) in enumerate(zip(found.paths, found.labels, strict=True))
        ]
        print(f"{name}{vote}; {', '.join(near)}", flush=True)
    if out is not None:
        tell(f"neighbours.jpg and neighbours.jsonl in {out}")
    return 0


def store(argv: list[str]) -> int:
    """Make a database of features, or add pictures to one."""
    parser = argparse.ArgumentParser(
        prog="ocellus explain neighbours store",
        description="Store the features of pictures. What it reports as stored stays, whatever happens.",
    )
    parser.add_argument("model", help=MODEL)
    parser.add_argument("database", help="its folder; made where it is not there, else added to")
    parser.add_argument(
        "pictures", nargs="+", help="folders, pictures, a folder for each class, a table of classes"
    )
    parser.add_argument("--layer", default="", help="whose features (default: the last that has maps)")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each source, evenly spaced (all)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    preparation_flags(parser)
    arguments = parser.parse_intermixed_args(argv)
    from ocellus.jobs.explainable import explainable
    from ocellus.jobs.neighbours import store as store_pictures

    preparation = preparation_of(arguments)
    model = explainable(arguments.model, device=arguments.device, preparation=preparation)
    database = store_pictures(
        model, arguments.database, arguments.pictures, layer=arguments.layer, limit=arguments.limit, say=tell
    )
    print(line(database))
    return 0


def check(argv: list[str]) -> int:
    """Say what a database is of, and compare all of it with its checksums."""
    database = opened("check", "Say what a database is of, and see whether all of it is whole.", argv)
    from ocellus.data.feature_database import FeatureDatabase

    found = FeatureDatabase(database)
    found.check()
    print(line(found))
    return 0


def repair(argv: list[str]) -> int:
    """Keep what is whole of a damaged database."""
    database = opened("repair", "Keep of a damaged database the pictures before the damage.", argv)
    from ocellus.data.feature_database import repair_database

    print(line(repair_database(database)))
    return 0


def opened(command: str, what: str, argv: list[str]) -> str:
    """The database that a command is given."""
    parser = argparse.ArgumentParser(prog=f"ocellus explain neighbours {command}", description=what)
    parser.add_argument("database", help="its folder")
    database: str = parser.parse_args(argv).database
    return database


def line(database: object) -> str:
    """What a database holds, in one line."""
    from ocellus.data.feature_database import FeatureDatabase

    assert isinstance(database, FeatureDatabase)
    space = database.space
    labels = len(set(database.labels) - {""})
    known = f", {labels} labels" if labels else ""
    of = f"{space.dimension} features of {space.layer} of {space.network} {space.fingerprint}"
    return f"{database.folder}: {len(database)} pictures{known}, {of}"


def tell(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr)
