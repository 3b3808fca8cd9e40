"""`ocellus explain activations MODEL IMAGE`: a layer's maps on a sheet, and the answer without some units."""

from __future__ import annotations

from ocellus.cli.explain import TARGETS, list_layers
from ocellus.cli.units import model_of, out_of, parsed, parser_of, show
from ocellus.errors import OcellusError


def main(argv: list[str]) -> int:
    """Draw a layer's maps; print a line on them, and on what masking did."""
    parser = parser_of("activations", "The maps of a layer's units for a picture, as a sheet.")
    parser.add_argument("image", nargs="*", help="a picture")
    parser.add_argument("--target", default="top", help=f"the answer that masking changes: {TARGETS}")
    arguments, options = parsed(parser, "activations", argv)
    from ocellus.jobs.explain_units import activations

    ready = model_of(arguments)
    if arguments.list_layers:
        return list_layers(ready, arguments.image)
    if len(arguments.image) != 1:
        given = "no picture was given" if not arguments.image else f"{len(arguments.image)} were given"
        raise OcellusError(f"{given}: ocellus explain activations MODEL IMAGE takes one", exit_code=2)
    out = out_of(arguments, "activations", ready.source)
    found = activations(
        ready, arguments.image[0], target=arguments.target, layer=arguments.layer, out=out, options=options
    )
    height, width = found.values.shape[1:]
    line = f"{found.layer}: {len(found)} of {found.count} units, {width}x{height} places"
    line += f"; {found.asleep} units are nowhere above 0"
    if found.masking is not None:
        line += f"\n{found.masking.line()}"
    if found.effects is not None:
        most = int(found.effects.argmax())
        line += f"\n{found.target} falls most without unit {found.channels[most]}: by "
        line += f"{float(found.effects[most]):.3g}"
    return show(arguments, found, line, out, "activations.png, activations.npz and activations.json")
