"""`ocellus explain max_patches MODEL FOLDER`: the parts of pictures that excite a layer's units most."""

from __future__ import annotations

import sys

from ocellus.cli.explain import list_layers
from ocellus.cli.units import model_of, out_of, parsed, parser_of, show
from ocellus.errors import OcellusError


def main(argv: list[str]) -> int:
    """Find and draw the patches; print a line for each unit."""
    parser = parser_of("max_patches", "The parts of many pictures that excite a layer's units most.")
    parser.add_argument("image", nargs="*", help="a folder of pictures, patterns, pictures")
    arguments, options = parsed(parser, "max_patches", argv)
    from ocellus.jobs.explain_units import max_patches

    ready = model_of(arguments)
    if arguments.list_layers:
        return list_layers(ready, [one for one in arguments.image if "." in one][:1])
    if not arguments.image:
        message = "no pictures were given: ocellus explain max_patches MODEL FOLDER"
        raise OcellusError(message, exit_code=2)
    out = out_of(arguments, "patches", ready.source)

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    found = max_patches(ready, arguments.image, layer=arguments.layer, out=out, options=options, say=tell)
    height, width = found.field
    lines = [f"{found.layer}: {found.seen} pictures seen; a place sees {width}x{height} pixels of the input"]
    lines += [f"  {remark}" for remark in found.remarks]
    for unit in found.units:
        own = found.of(unit)
        if own:
            x1, y1, x2, y2 = own[0].box
            lines.append(f"unit {unit}: {own[0].score:.4g} at {x1},{y1},{x2},{y2} of {own[0].path}")
        else:
            lines.append(f"unit {unit}: nothing excites it")
    return show(
        arguments, found, "\n".join(lines), out, "max_patches.png, max_patches.npz and max_patches.json"
    )
