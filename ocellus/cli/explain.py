"""`ocellus explain METHOD[,METHOD...] MODEL IMAGE...`: why a network said so, drawn and listed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from typing import Any, get_args, get_origin, get_type_hints

from ocellus.errors import OcellusError

TARGETS = (
    "class:tabby, box:0, mask:0, keypoint:0,3, region:x1,y1,x2,y2[:road], verdict, like:PICTURE, "
    "unit:LAYER,CHANNEL; default: what the network answers first"
)


def main(argv: list[str]) -> int:
    """Explain pictures; print a line each, and where the maps are."""
    word = argv[0] if argv else ""
    if word.isidentifier() and find_spec(f"ocellus.cli.explain_{word}"):
        code: int = import_module(f"ocellus.cli.explain_{word}").main(argv[1:])
        return code
    arguments, options = parse(argv)
    from ocellus.jobs.explain import explain
    from ocellus.jobs.explainable import explainable
    from ocellus.jobs.model import new_folder

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    model = explainable(
        arguments.model,
        device=arguments.device,
        names=read_names(arguments.names),
        preparation=preparation_of(arguments),
    )
    if arguments.list_layers:
        return list_layers(model, arguments.image)
    if not arguments.image:
        raise OcellusError("no picture was given: ocellus explain METHOD MODEL IMAGE", exit_code=2)
    out = None if arguments.no_out else arguments.out or new_folder("explained", model.source)
    reasons = explain(
        arguments.method,
        model,
        arguments.image,
        target=arguments.target,
        layer=arguments.layer,
        out=out,
        measure=arguments.measure,
        truth=[box(text) for text in arguments.truth],
        options=options,
        say=tell,
    )
    for number, why in enumerate(reasons):
        if not number and model.about:
            tell(model.about)
        print(json.dumps(why.to_dict(), ensure_ascii=False) if arguments.json else why.line(), flush=True)
        for one in why.explained.explanations:
            if arguments.measure and not arguments.json:
                print(f"  {one.title}: {summary(one)}", flush=True)
    if out is not None:
        tell(f"maps, explained.jsonl and explanations.html in {out}")
    return 0


def parse(argv: list[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments, and the methods' settings among them.

    Raises:
        OcellusError: no such method.
        SystemExit: a flag that does not exist or has a wrong value (2), or help was asked for (0).
    """
    from ocellus.jobs.explaining import heat_methods, methods_of, other_methods, self_explaining

    others = [*(name for name in other_methods() if find_spec(f"ocellus.cli.explain_{name}")), "inside"]
    parser = argparse.ArgumentParser(
        prog="ocellus explain",
        description="Why a network said so. Settings of a method: ocellus explain METHOD --help.",
        epilog=f"With commands of their own: {', '.join(dict.fromkeys(others))}.",
    )
    parser.add_argument(
        "method",
        help=f"one or more with commas, or all: {', '.join(heat_methods())}; of its own "
        f"networks also {', '.join(self_explaining())}",
    )
    parser.add_argument(
        "model", help="a weights file, run folder or system; torchvision:resnet50=FILE or timm:NAME=FILE"
    )
    parser.add_argument("image", nargs="*", help="pictures, folders, patterns, videos, a camera's number")
    parser.add_argument("--target", default="top", help=TARGETS)
    parser.add_argument("--layer", default="", help="the layer to look at (default: the last with maps)")
    parser.add_argument("--list-layers", action="store_true", help="show the layers and do nothing else")
    parser.add_argument(
        "--measure", action="store_true", help="measure the maps: deletion, insertion, thrown weights"
    )
    parser.add_argument(
        "--truth", action="append", default=[], metavar="X1,Y1,X2,Y2", help="where the object is; repeatable"
    )
    parser.add_argument("--out", default="", help="folder for the maps (default: a new one in runs/)")
    parser.add_argument("--no-out", action="store_true", help="write nothing")
    parser.add_argument("--names", default="", help="a file of class names, one a line")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a picture")
    preparation_flags(parser)
    names = argv[0].split(",") if argv and not argv[0].startswith("-") else []
    settings = method_flags(parser, [method.config for method in methods_of(names)] if names else [])
    arguments = parser.parse_intermixed_args(argv)
    options = {name: getattr(arguments, name) for name in settings if getattr(arguments, name) is not None}
    return arguments, options


def preparation_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser the fields of `ocellus.jobs.preparation.Preparation`."""
    group = parser.add_argument_group("how a network of others wants its pictures, where not as published")
    group.add_argument("--mean", type=float, nargs="+", help="subtracted from each channel")
    group.add_argument("--std", type=float, nargs="+", help="each channel is divided by it")
    group.add_argument("--scale", type=float, help="pictures in [0, 1] are multiplied by it first")
    group.add_argument("--bgr", action="store_true", help="blue, green, red")
    group.add_argument("--short-side", type=int, help="pixels of the shorter side; 0: not resized")


def preparation_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of them that were given."""
    given = {name: getattr(arguments, name) for name in ("mean", "std", "scale", "short_side")}
    given["bgr"] = arguments.bgr or None
    chosen = {name: value for name, value in given.items() if value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}


def method_flags(parser: argparse.ArgumentParser, configs: Sequence[Any]) -> list[str]:
    """Give the parser a flag for each setting of the methods; their names."""
    group = parser.add_argument_group("settings of the methods")
    found: dict[str, None] = {}
    for config in configs:
        kinds = get_type_hints(type(config))
        for entry in fields(config):
            if entry.name in found:
                continue
            found[entry.name] = None
            several = get_origin(kinds[entry.name]) is tuple
            kind = get_args(kinds[entry.name])[0] if several else kinds[entry.name]
            default = getattr(config, entry.name)
            shown = " ".join(map(str, default)) if several else default
            flag = f"--{entry.name.replace('_', '-')}"
            if kind is bool:
                group.add_argument(
                    flag, action=argparse.BooleanOptionalAction, default=None, help=f"({shown})"
                )
            else:
                group.add_argument(flag, type=kind, nargs="+" if several else None, help=f"({shown})")
    return list(found)


def list_layers(model: Any, images: list[str]) -> int:
    """Print a network's layers, with what they put out where a picture is given."""
    from ocellus.data.images import read_picture
    from ocellus.jobs.explain import layers_of

    picture = read_picture(images[0], channels=model.channels) if images else None
    found, chosen = layers_of(model, picture)
    width = max((len(layer.name) for layer in found), default=0)
    kinds = max((len(layer.kind) for layer in found), default=0)
    for layer in found:
        note = (
            "  <- default"
            if layer.name == chosen
            else ""
            if layer.spatial or not layer.output
            else "  no map"
        )
        called = f", {layer.calls} calls" if layer.calls > 1 else ""
        print(f"{layer.name:<{width}}  {layer.kind:<{kinds}}  {layer.output}{called}{note}".rstrip())
    if picture is None:
        print("give a picture too, to see what each puts out", file=sys.stderr)
    return 0


def summary(explanation: Any) -> str:
    """ "deletion 0.12, insertion 0.71, likeness 0.10"."""
    from math import isfinite

    names = ("deletion", "insertion", "likeness", "pointing", "inside", "overlap")
    parts = [f"{name} {explanation.figure(name):.3f}" for name in names if isfinite(explanation.figure(name))]
    thrown = explanation.randomisation
    flag = "; stays the same when weights are thrown" if thrown is not None and thrown.unchanged else ""
    return ", ".join(parts) + flag


def box(text: str) -> tuple[float, float, float, float]:
    """A box from "x1,y1,x2,y2".

    Raises:
        OcellusError: it is none. Exit code 2.
    """
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        raise OcellusError(f"--truth {text}: a box is x1,y1,x2,y2 in pixels", exit_code=2) from None
    if not (x1 < x2 and y1 < y2):
        raise OcellusError(f"--truth {text}: x1 < x2 and y1 < y2 are needed", exit_code=2)
    return x1, y1, x2, y2


def read_names(path: str) -> tuple[str, ...]:
    """Class names of a file, one a line; none without a file."""
    from pathlib import Path

    from ocellus.cli.import_weights import read_names as read

    return read(Path(path)) if path else ()
