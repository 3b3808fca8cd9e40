"""`ocellus restyle PICTURE`: paint one picture in the style of another by optimisation, without training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ocellus import catalog
from ocellus.errors import OcellusError

LONGEST = 4096
"""Pixels of the longer side, at most."""


def main(argv: list[str]) -> int:
    """Paint, write a PNG, and say how low the loss came."""
    parser = argparse.ArgumentParser(
        prog="ocellus restyle",
        description="Paint one picture in the style of another by changing its pixels (Gatys 2015): slow, "
        "but untrained. `ocellus train imagine/fast_style` makes a network that does it at once.",
    )
    parser.add_argument("picture", help="the photograph")
    parser.add_argument("--style", required=True, help="the picture whose style it gets")
    parser.add_argument("--loss-network", required=True, help="weights file of see/classifier")
    parser.add_argument("--steps", type=int, default=300, help="of L-BFGS (300)")
    parser.add_argument(
        "--side", type=int, default=256, help="the shorter side, in pixels; 0: as it is (256)"
    )
    parser.add_argument("--start", choices=("photograph", "noise"), default="photograph", help="(photograph)")
    parser.add_argument("--out", default="", help="the file to write (default: beside the photograph)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    arguments = parser.parse_args(argv)
    if arguments.side < 0 or arguments.steps < 1:
        raise OcellusError(
            f"--side {arguments.side} --steps {arguments.steps} make no sense: at least 0 and 1", exit_code=2
        )
    source = Path(arguments.picture)
    out = Path(arguments.out) if arguments.out else source.with_name(f"{source.stem}-restyled.png")
    if out.exists():
        raise OcellusError(f"{out} is there already: name another file with --out", exit_code=2)
    from ocellus.data.images import read_picture, to_picture, write_picture
    from ocellus.data.views import middle
    from ocellus.training.devices import choose_device

    picture = read_picture(source, channels=3)
    height, width = picture.size
    longer = max(height, width) * (arguments.side or min(height, width)) // min(height, width)
    if longer > LONGEST:
        raise OcellusError(
            f"{source} is {width}x{height}: its longer side would have {longer} pixels, and more than "
            f"{LONGEST} take hours: give a smaller --side",
            exit_code=2,
        )
    if arguments.side:
        picture = to_picture(middle(picture.pixels, short_side=arguments.side, crop=0))
    found = catalog.system("imagine/fast_style").optimise(
        picture,
        style=arguments.style,
        loss_network=arguments.loss_network,
        steps=arguments.steps,
        start=arguments.start,
        device=choose_device(arguments.device),
        say=lambda line: print(line, file=sys.stderr),
    )
    write_picture(found.picture, out)
    print(
        f"{out}: loss {found.totals[0]:.3f} before, {found.totals[-1]:.3f} after {len(found.totals) - 1} "
        f"evaluations in {found.seconds[-1]:.0f} s"
    )
    return 0
