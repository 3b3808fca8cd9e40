"""`ocellus explain filters MODEL`: a layer's filters as pictures, of the first layer in color."""

from __future__ import annotations

from ocellus.cli.explain import list_layers
from ocellus.cli.units import model_of, out_of, parsed, parser_of, show


def main(argv: list[str]) -> int:
    """Draw a layer's filters; print a line on them."""
    parser = parser_of("filters", "A layer's filters as pictures. Without --layer the first one's.")
    parser.add_argument("image", nargs="*", help="a picture of a size that the network takes (any will do)")
    arguments, options = parsed(parser, "filters", argv)
    from ocellus.jobs.explain_units import filters

    ready = model_of(arguments)
    if arguments.list_layers:
        return list_layers(ready, arguments.image)
    out = out_of(arguments, "filters", ready.source)
    picture = arguments.image[0] if arguments.image else None
    found = filters(ready, picture=picture, layer=arguments.layer, out=out, options=options)
    facts = found.to_dict()
    count, channels, height, width = found.weights.shape
    line = f"{found.layer}: {count} filters of {channels}x{height}x{width}"
    if facts["smoothness"] is not None:
        line += f", smoothness {facts['smoothness']:.2f} (noise: 0)"
    if "colorfulness" in facts and facts["colorfulness"] is not None:
        line += f", {100 * facts['colorfulness']:.0f} % color (noise: 67 %)"
    if facts["silent"]:
        line += f"; {facts['silent']} answer to nothing"
    return show(arguments, found, line, out, "filters.png, filters.npz and filters.json")
