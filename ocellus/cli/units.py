"""What the commands `ocellus explain filters|activations|max_patches|class_ascent` share."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ocellus.cli.explain import method_flags, preparation_flags, preparation_of, read_names


def parser_of(method: str, description: str) -> argparse.ArgumentParser:
    """A parser with the flags that all of them have."""
    parser = argparse.ArgumentParser(prog=f"ocellus explain {method}", description=description)
    parser.add_argument(
        "model", help="a weights file, run folder or system; torchvision:resnet50=FILE or timm:NAME=FILE"
    )
    if method != "class_ascent":
        parser.add_argument("--layer", default="", help="the layer to look at (the default is printed)")
    parser.add_argument("--list-layers", action="store_true", help="show the layers and do nothing else")
    parser.add_argument("--out", default="", help="folder for what is written (default: a new one in runs/)")
    parser.add_argument("--no-out", action="store_true", help="write nothing")
    parser.add_argument("--names", default="", help="a file of class names, one a line")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print JSON")
    preparation_flags(parser)
    return parser


def parsed(
    parser: argparse.ArgumentParser, method: str, argv: list[str], *, without: tuple[str, ...] = ()
) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments, and the method's settings among them.

    Args:
        parser: of `parser_of`, with flags of the command's own.
        method: its short name.
        argv: the words.
        without: settings that the command has in another way.

    Raises:
        SystemExit: a flag that does not exist or has a wrong value (2), or help was asked for (0).
    """
    from ocellus import catalog

    settings = method_flags(parser, [catalog.system(f"explain/{method}").Config()])
    arguments = parser.parse_intermixed_args(argv)
    names = [name for name in settings if name not in without]
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return arguments, {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }


def model_of(arguments: argparse.Namespace) -> Any:
    """The network that was named."""
    from ocellus.jobs.explainable import explainable

    return explainable(
        arguments.model,
        device=arguments.device,
        names=read_names(arguments.names),
        preparation=preparation_of(arguments),
    )


def out_of(arguments: argparse.Namespace, kind: str, source: str) -> str | None:
    """The folder to write to; None: none."""
    from ocellus.jobs.model import new_folder

    return None if arguments.no_out else arguments.out or str(new_folder(kind, source))


def show(arguments: argparse.Namespace, value: Any, line: str, out: str | None, files: str) -> int:
    """Print what was found, and where it lies."""
    print(json.dumps(value.to_dict(), ensure_ascii=False) if arguments.json else line)
    if out is not None:
        print(f"{files} in {out}", file=sys.stderr)
    return 0
